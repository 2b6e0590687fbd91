import type { Coupling, WholeUnits } from '@tersor/core'
import type { Manifest, TfjsTopology } from '@tersor/formats/tfjs'
import { fromIntegers, type Dense, type Shape } from '@tersor/tensor'
import { couplingsOf } from '../../couplings/couplings-of.js'
import { countCut, extentOf, isCut, type Count, type NewShapes } from '../../couplings/cut-extents.js'
import type { Axes } from '../../couplings/axes.js'
import { labelTfjsGraph, type TfjsLabels } from './graph/label-graph.js'
import type { RawNode } from './graph/attributes.js'
import { isRecord, modelOf, type Json } from './layers/config.js'
import { labelTfjsLayers } from './layers/label-layers.js'
import type { ToldExtents } from './scope.js'
import { tfjsWeights } from './tfjs-weights.js'

/** What of a tfjs network goes together, and what its topology becomes around weights that were cut. */
export interface TfjsCouplings {
  readonly couplings: readonly Coupling[]
  readonly whole: readonly WholeUnits[]
  readonly topology: TfjsTopology
}

/** Numbers that a file has of axes, with the units that stayed; what is open stays open. */
const renumbered = (value: unknown, axes: Axes, count: Count): unknown => {
  const of = (each: unknown, at: number): unknown =>
    typeof each === 'number' && each > 0 && axes[at] && isCut(axes[at], count) ? extentOf(axes[at], count) : each
  return Array.isArray(value) ? value.map(of) : of(value, 0)
}

/** A copy of a topology of layers whose settings name the units that stayed. */
const withSettings = (json: unknown, told: ToldExtents, count: Count): unknown => {
  if (Array.isArray(json)) return json.map(each => withSettings(each, told, count))
  if (!isRecord(json)) return json
  const own = told.of(json)
  const entries = Object.entries(json).map(([key, value]) => {
    const axes = own.get(key)
    return [key, axes ? renumbered(value, axes, count) : withSettings(value, told, count)] as const
  })
  return Object.fromEntries(entries)
}

/** A copy of the nodes of a graph: constants have the shapes of their weights, and nothing is declared of values. */
const withShapes = (node: RawNode, shapes: NewShapes): RawNode => {
  const { _output_shapes: _, ...attr } = node.attr ?? {}
  const shape = node.op === 'Const' ? shapes.get(node.name) : undefined
  const value = isRecord(attr.value) && isRecord(attr.value.tensor) ? attr.value.tensor : undefined
  const tensorShape = { dim: shape?.map(extent => ({ size: String(extent) })) }
  const declared = shape && value ? { ...attr, value: { tensor: { ...value, tensorShape } } } : attr
  return { ...node, ...(node.attr ? { attr: declared } : {}) }
}

const nodesOf = ({ modelTopology }: Json): readonly RawNode[] | undefined =>
  isRecord(modelTopology) && Array.isArray(modelTopology.node) ? (modelTopology.node as readonly RawNode[]) : undefined

/** Whether a node can be followed: files may hold anything where one is. */
const isNode = (node: unknown): node is RawNode =>
  isRecord(node) &&
  typeof node.name === 'string' &&
  typeof node.op === 'string' &&
  (node.input === undefined || (Array.isArray(node.input) && node.input.every(each => typeof each === 'string'))) &&
  (node.attr === undefined || isRecord(node.attr))

const signatureOf = ({ signature, userDefinedMetadata }: Json): unknown =>
  signature ?? (isRecord(userDefinedMetadata) ? userDefinedMetadata.signature : undefined)

/**
 * The units of a graph or of layers that go together, from its topology, the shapes of its weights and what its small constants say. `resize` makes the
 * topology anew from the shapes of weights that were cut; it throws BAD_DATA for shapes that no choice of units gives. Undefined for weights alone.
 */
export const couplingsOfTfjs = (
  description: Json,
  manifest: Manifest,
  constants: ReadonlyMap<string, readonly number[]>,
): TfjsCouplings | undefined => {
  const weights = tfjsWeights(manifest, constants)
  const nodes = nodesOf(description)
  if (!nodes && !modelOf(description.modelTopology)) return undefined
  const { labels, told }: TfjsLabels = nodes
    ? labelTfjsGraph(nodes.filter(isNode), signatureOf(description), weights)
    : labelTfjsLayers(description.modelTopology, weights)
  const found = couplingsOf(labels)
  const before = (name: string): Shape => manifest.weights.get(name)!.shape
  const resize: TfjsTopology['resize'] = shapes => {
    const count = countCut(labels, found, before, shapes)
    const numbers = new Map<string, Dense>()
    for (const [name, values] of constants) {
      const axes = told.of(name).get('value')
      if (axes?.some(axis => isCut(axis, count)))
        numbers.set(name, fromIntegers(renumbered(values, axes, count) as readonly number[], 'i32', before(name)))
    }
    const modelTopology = nodes
      ? { ...(description.modelTopology as Json), node: nodes.map(node => (isNode(node) ? withShapes(node, shapes) : node)) }
      : withSettings(description.modelTopology, told, count)
    return { description: { ...description, modelTopology }, numbers }
  }
  return { couplings: found.couplings, whole: found.whole, topology: { constants: new Set(constants.keys()), resize } }
}
