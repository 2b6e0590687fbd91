import type { Native, NativeTensor } from '@tersor/backend-ort/binding'
import type { CodeScales } from '@tersor/models/graph-model'
import { channelScales, decodeChannels, encodeChannels, recoded, widerScales } from './codes.js'
import { floatsOf, outputOf } from './graph-tensors.js'
import type { HeldRows } from './held-rows.js'
import type { GraphLayer } from './layers.js'

export const PARTS = ['keys', 'values'] as const

/** What a graph holds of one layer. */
export interface LayerState {
  readonly keys: NativeTensor
  readonly values: NativeTensor
  readonly rows: readonly HeldRows[]
  /** Of codes, which the tensors are then. */
  readonly scales?: CodeScales
}

const codesTensor = (native: Native, values: Float32Array, scales: Float32Array, layer: GraphLayer, bits: 8 | 4): NativeTensor => {
  const { keyHeads: heads, size } = layer
  const codes = encodeChannels(values, scales, { heads, size }, bits)
  return native.typed(bits === 8 ? 'int8' : 'uint8', codes, [1, heads, values.length / (heads * size), (size * bits) / 8])
}

/** One layer as codes, by scales that were found before or by those of what it holds. */
export const codedLayer = (native: Native, layer: GraphLayer, state: LayerState, bits: 8 | 4, known?: CodeScales): LayerState => {
  const { keyHeads: heads, size } = layer
  const [keys, values] = PARTS.map(part => floatsOf(outputOf(state[part])))
  const scales = known ?? { keys: channelScales(keys, { heads, size }, bits), values: channelScales(values, { heads, size }, bits) }
  return {
    ...{ rows: state.rows, scales },
    keys: codesTensor(native, keys, scales.keys, layer, bits),
    values: codesTensor(native, values, scales.values, layer, bits),
  }
}

/** Keys or values of a layer as floats. */
export const layerFloats = (
  { keyHeads: heads, size }: GraphLayer,
  held: LayerState,
  part: 'keys' | 'values',
  bits: 8 | 4 | undefined,
): Float32Array => {
  const output = outputOf(held[part])
  return held.scales ? decodeChannels(output.data as Int8Array, held.scales[part], { heads, size }, bits!) : floatsOf(output)
}

/** The layer before some tokens, by scales that reach as far as those do; undefined where they did. */
export const widened = (
  native: Native,
  layer: GraphLayer,
  before: LayerState,
  behind: LayerState,
  how: { readonly bits: 8 | 4; readonly tokens: number },
): LayerState | undefined => {
  const { keyHeads: heads, size } = layer
  const wider = PARTS.map(part => widerScales(outputOf(behind[part]).data as Int8Array, before.scales![part], { heads, size }, how))
  if (wider.every(scales => scales === undefined)) return undefined
  const again = (part: 'keys' | 'values', now: Float32Array | undefined): NativeTensor => {
    if (!now) return before[part]
    const { data, dims, type } = outputOf(before[part])
    const codes = recoded(data as Int8Array | Uint8Array, { before: before.scales![part], now }, { heads, size }, how.bits)
    return native.typed(type as 'int8' | 'uint8', codes, dims)
  }
  const [keys, values] = PARTS.map((part, i) => wider[i] ?? before.scales![part])
  return { rows: before.rows, scales: { keys, values }, keys: again('keys', wider[0]), values: again('values', wider[1]) }
}
