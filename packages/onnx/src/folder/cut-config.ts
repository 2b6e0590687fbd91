import type { RawConfig } from '@tersor/models/raw-config'
import { CompressionError } from '@tersor/tensor'
import { widthsOf, type DecoderWidths, type LabelledOnnx } from '../couplings/head-counts.js'

/** The first key of a config that is there. */
const keyIn = (config: RawConfig, ...keys: readonly string[]): string | undefined => keys.find(key => config[key] !== undefined)

/** One number where all are alike. */
const alike = (counts: readonly number[]): number | readonly number[] => (new Set(counts).size === 1 ? counts[0] : counts)

const noPlace = (what: string, remedy: string, fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('UNSUPPORTED', what, `${remedy}, or write the graph by itself: an --out that ends in .onnx.`, fields)

/** The heads that a config tells after those of a graph changed. Throws UNSUPPORTED where it has no place for them. */
const withHeads = (config: RawConfig, before: DecoderWidths, after: DecoderWidths): RawConfig => {
  const keyHeads = after.layers.map(each => each.keyHeads)
  const heads = after.layers.map(each => each.heads)
  const isSame = after.layers.every((each, i) => each.keyHeads === before.layers[i].keyHeads && each.heads === before.layers[i].heads)
  const [headsKey, keyHeadsKey] = [keyIn(config, 'num_attention_heads', 'n_head', 'num_heads', 'n_heads'), keyIn(config, 'num_key_value_heads', 'num_kv_heads')] // prettier-ignore
  const width = keyIn(config, 'hidden_size', 'n_embd', 'd_model')
  const [size] = new Set(after.layers.map(each => each.size))
  const isOther = after.otherHeads.join() !== before.otherHeads.join()
  if ((isSame && !isOther) || size === undefined) return config
  if (new Set(keyHeads).size > 1)
    throw noPlace(
      `Layers of the graph keep ${keyHeads.join(', ')} key heads, and transformers.js makes the caches of all of them alike.`,
      'Keep as many in each',
      { keyHeads },
    )
  if (isOther || headsKey === undefined || heads.some(each => each === undefined) || (keyHeadsKey === undefined && heads.some((each, i) => each !== keyHeads[i]))) // prettier-ignore
    throw noPlace('The heads of the graph changed, and its config.json has no place for their number.', 'Keep them', { keys: Object.keys(config) }) // prettier-ignore
  const isNamed = keyHeadsKey !== undefined // configs with key heads have a place for their size
  const told = alike(heads as number[])
  if (!isNamed && (Array.isArray(told) || Number(config[width ?? '']) / (told as number) !== size))
    throw noPlace(
      `Heads have ${size} channels, and the config.json of a "${String(config.model_type)}" says so by the width of the stream alone.`,
      'Keep them',
      { size },
    )
  return { ...config, [headsKey]: told, ...(isNamed ? { [keyHeadsKey]: keyHeads[0], head_dim: size } : {}) }
}

/** The config of a decoder's folder after units of its graph went. Throws UNSUPPORTED for heads that it has no place for. */
export const cutConfig = (config: RawConfig, before: DecoderWidths, after: DecoderWidths): RawConfig => {
  const own = withHeads(config, before, after)
  const width = keyIn(own, 'hidden_size', 'n_embd', 'd_model')
  const isWidth = width !== undefined && after.stream !== undefined && own[width] === before.stream && after.stream !== before.stream
  const inner = keyIn(own, 'intermediate_size', 'n_inner')
  const isInner = inner !== undefined && before.neurons.length > 0 && before.neurons.every(count => count === own[inner]) && after.neurons.length === before.neurons.length // prettier-ignore
  return {
    ...own,
    ...(isWidth ? { [width]: after.stream } : {}),
    ...(isWidth && before.layers[0] && own.head_dim === undefined ? { head_dim: before.layers[0].size } : {}),
    ...(isInner ? { [inner]: alike(after.neurons) } : {}),
  }
}

/** The config beside a graph after units of it went; as it was where the graph is no decoder. Throws UNSUPPORTED for heads that it has no place for. */
export const configAfter = (config: RawConfig, before: LabelledOnnx, after: LabelledOnnx): RawConfig => {
  const widths = widthsOf(before)
  return widths().layers.length === 0 ? config : cutConfig(config, widths(), widths(after))
}

/** The same for what runs here, where each layer is asked for its heads: nothing is refused. */
export const configNow = (config: RawConfig, before: LabelledOnnx, after: LabelledOnnx): RawConfig => {
  const widths = widthsOf(before)
  const heads = widths(after).layers.map(each => each.heads)
  const told = keyIn(config, 'num_attention_heads', 'n_head')
  if (heads.length === 0 || told === undefined || heads.some(each => each === undefined)) return config
  try {
    return cutConfig(config, widths(), widths(after))
  } catch {
    return { ...config, [told]: alike(heads as number[]) } // a folder has no place for it, and what runs needs no folder
  }
}
