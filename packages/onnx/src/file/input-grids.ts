import { activationNames, type ActivationGrid } from '@tersor/core'
import { CompressionError, DTYPES, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import { domainFor, OPSETS } from './forms/dequantize.js'
import type { Refused } from './forms/refusal.js'
import type { Onnx } from './open.js'
import type { Round } from './replace.js'
import { weightUses } from './uses.js'

/** Lowest and highest value of a site's input. */
export type InputRange = readonly [lowest: number, highest: number]

/** Throws BAD_OPTION for a weight that the graph lacks and for bounds that are none. */
export const checkRanges = (ranges: Readonly<Record<string, InputRange>>, { tensors }: Onnx): void => {
  const known = new Set(tensors.map(({ name }) => name))
  for (const [name, range] of Object.entries(ranges)) {
    if (known.has(name) && range.length === 2 && range.every(Number.isFinite) && range[0] <= range[1]) continue
    const remedy = 'Pass [lowest, highest] by the names of weights.'
    throw new CompressionError('BAD_OPTION', `ranges has ${JSON.stringify(range)} for "${name}".`, remedy, { name })
  }
}

/** 256 steps between two values, 0 among them. */
export const gridOfRange = ([lowest, highest]: InputRange): ActivationGrid => {
  const [low, high] = [Math.min(0, lowest), Math.max(0, highest)]
  const scale = (high - low) / 255 || 1
  return { bits: 8, scale, zero: Math.round(-low / scale) }
}

/** x on its grid and back: QuantizeLinear to bytes and DequantizeLinear; a grid of fewer bits ends where its codes do. */
export const onGrid =
  ({ bits, scale, zero }: ActivationGrid, float: 'f32' | 'f16', opset: number): Round =>
  (graph, x) => {
    const bound = (code: number): string => graph.constant(float, [], [scale * (code - zero)])
    const within = bits === 8 ? x : graph.op('Clip', [x, bound(0), bound(2 ** bits - 1)])
    const grid = [graph.constant(float, [], [scale]), graph.constant('u8', [], [zero])]
    const domain = domainFor(float === 'f16' ? OPSETS.half : OPSETS.tensor, opset)
    return graph.op('DequantizeLinear', [graph.op('QuantizeLinear', [within, ...grid], { domain }), ...grid], { domain })
  }

/** How the inputs of sites are rounded, by name: on the grids that were written, and on those that ranges of weights lay, wherever these are used. */
export const roundsOf = (
  { graph, tensors }: Onnx,
  grids: ReadonlyMap<string, ActivationGrid>,
  ranges: Readonly<Record<string, InputRange>>,
  { opset, floatOf }: { readonly opset: number; readonly floatOf: (weight: string) => 'f32' | 'f16' },
): ReadonlyMap<string, Round> =>
  new Map(
    weightUses(graph, tensors).flatMap(({ name, weight }) => {
      const range = Object.hasOwn(ranges, weight.name) ? gridOfRange(ranges[weight.name]) : undefined
      const grid = range ?? grids.get(name)
      return grid ? [[name, onGrid(grid, floatOf(weight.name), opset)] as const] : []
    }),
  )

/** The grids of inputs that come as parameters of their sites, `SITE.input_scale` and `SITE.input_zero_point`. */
export interface InputGrids {
  /** Takes a parameter; false where it is no part of a grid of this graph. */
  take(name: string, parameter: Parameter): boolean
  /** Those that are whole, by the name of their site. */
  grids(): ReadonlyMap<string, ActivationGrid>
  /** Parts without the other. */
  halves(): readonly Refused[]
}

/** Collects grids as they are written. */
export const inputGrids = ({ graph, tensors }: Onnx): InputGrids => {
  const places = new Map(weightUses(graph, tensors).flatMap(({ name: site }) => activationNames({ name: site }).map((name, part) => [name, { site, part }] as const))) // prettier-ignore
  const parts = new Map<string, [scale?: Dense, zero?: Dense]>()
  return {
    take: (name, parameter) => {
      const place = places.get(name)
      if (!place || parameter.kind !== 'dense') return false
      const found = parts.get(place.site) ?? []
      found[place.part] = parameter
      parts.set(place.site, found)
      return true
    },
    grids: () =>
      new Map(
        [...parts].flatMap(([site, [scale, zero]]) =>
          scale && zero ? [[site, { bits: DTYPES[zero.dtype].bits, scale: toFloat32(scale)[0], zero: toInt32(zero)[0] }] as const] : [],
        ),
      ),
    halves: () =>
      [...places]
        .filter(([, { site, part }]) => parts.has(site) && parts.get(site)![part] === undefined)
        .map(([name]) => ({ name, reason: 'is missing', step: 'Write scale and zero point of an input together.' })),
  }
}
