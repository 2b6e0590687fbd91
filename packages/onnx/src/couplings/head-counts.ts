import { extentOf, countCut, type Count } from '@tersor/models/internal/imported/couplings/cut-extents'
import { couplingsOf } from '@tersor/models/internal/imported/couplings/couplings-of'
import { factorsOf } from '@tersor/models/internal/imported/couplings/factors'
import { placesOf, type Place } from '@tersor/models/internal/imported/couplings/members-of'
import type { Units } from '@tersor/models/internal/imported/couplings/axes'
import { HEADS_OF_PAST, isPast } from '../cache/layers.js'
import type { Onnx } from '../file/open.js'
import { labelGraph, type GraphLabels } from './label-graph.js'

/** How wide a decoder is: what a config says of it in numbers. */
export interface DecoderWidths {
  /** Of each layer that remembers keys and values, in their order; query heads are undefined where nothing tells them. */
  readonly layers: readonly { readonly keyHeads: number; readonly heads: number | undefined; readonly size: number }[]
  /** The channels of the stream; undefined where no root-mean-square norm tells. */
  readonly stream: number | undefined
  /** Widths of feed-forward networks, in their order. */
  readonly neurons: readonly number[]
  /** Heads that belong to no key head of a layer. */
  readonly otherHeads: readonly number[]
}

export type LabelledOnnx = Pick<Onnx, 'graph' | 'tensors' | 'model'>

type Places = ReadonlyMap<Units, readonly Place[]>

const SIZE_OF_PAST = 3

/** Inputs of past keys, by layer. */
const pastKeys = ({ graph }: LabelledOnnx): readonly string[] =>
  graph.input
    .map(({ name }) => name)
    .filter(name => isPast(name) && name.endsWith('.key'))
    .sort((a, b) => Number(/\d+/.exec(a)![0]) - Number(/\d+/.exec(b)![0]))

/** Query heads of a key head: what stands within key heads with the size of a head inside, or one; undefined where several do. */
const groupsOf = (keys: Units, size: number, places: Places, count: Count): number | undefined => {
  const inside = [...places].filter(([, all]) => all.some(({ within, span }) => within === keys && span.size === size))
  return inside.length > 1 ? undefined : inside.length === 1 ? count(inside[0][0]) : 1
}

const layersOf = (onnx: LabelledOnnx, labels: GraphLabels, places: Places, count: Count) =>
  pastKeys(onnx).map(name => {
    const axes = labels.values.get(name) ?? []
    const [heads, size] = [axes[HEADS_OF_PAST], axes[SIZE_OF_PAST]?.extent ?? 0]
    const units = heads && factorsOf(heads)[0]?.units
    const groups = units && groupsOf(units, size, places, count)
    const keyHeads = (heads && extentOf(heads, count)) ?? 0
    return { units, keyHeads, size, heads: groups === undefined ? undefined : keyHeads * groups }
  })

/** What the labels of a decoder's graph tell of its widths, and of those that are left where some of its units went. */
export const widthsOf = (onnx: LabelledOnnx): ((after?: LabelledOnnx) => DecoderWidths) => {
  const labels = labelGraph(onnx)
  const couplings = couplingsOf(labels)
  const places = placesOf(labels.weights)
  const before = new Map(onnx.tensors.map(({ name, shape }) => [name, shape]))
  const streams = new Set(labels.norms.flatMap(({ axis }) => factorsOf(axis).flatMap(({ units }) => units ?? [])))
  const neurons = [...couplings.unitsOf].filter(([, { kind }]) => kind === 'neurons').map(([units]) => units)
  return after => {
    const changed = (after?.tensors ?? []).filter(({ name, shape }) => before.has(name) && before.get(name)!.join() !== shape.join())
    const shapes = new Map(changed.map(({ name, shape }) => [name, shape]))
    const count = countCut(labels, couplings, name => before.get(name)!, shapes)
    const layers = layersOf(onnx, labels, places, count)
    const keys = new Set(layers.flatMap(({ units }) => units ?? []))
    const isOther = (units: Units): boolean =>
      units.heads === true && !keys.has(units) && !places.get(units)!.some(({ within }) => within && keys.has(within))
    return {
      layers: layers.map(({ units: _, ...each }) => each),
      stream: streams.size === 1 ? count([...streams][0]) : undefined,
      neurons: neurons.map(count),
      otherHeads: [...places.keys()].filter(isOther).map(count),
    }
  }
}
