import type { RawConfig } from '@tersor/models/raw-config'
import { CompressionError } from '@tersor/tensor'
import { widthsOf, type DecoderWidths, type LabelledOnnx } from '../couplings/head-counts.js'

/** The first key of a config that is there. */
const keyIn = (config: RawConfig, ...keys: readonly string[]): string | undefined => keys.find(key => config[key] !== undefined)

/** One number where all are alike. */
const alike = (counts: readonly number[]): number | readonly number[] => (new Set(counts).size === 1 ? counts[0] : counts)

/** A config, and what readers of it should know that it has no place for. */
export interface ToldConfig {
  readonly config: RawConfig
  readonly notes: readonly string[]
}

const noPlace = (config: RawConfig): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    'The heads of the graph changed, and its config.json has no place for their number.',
    'Keep them, or write the graph by itself: an --out that ends in .onnx.',
    { keys: Object.keys(config) },
  )

/** Before this version it sized caches after the config; since then it asks the graph. */
const OLD = 'transformers.js below version 4 makes caches of another size'

/** The heads that a config tells after those of a graph changed. Throws UNSUPPORTED where it has no place for their number. */
const withHeads = (config: RawConfig, before: DecoderWidths, after: DecoderWidths): ToldConfig => {
  const keyHeads = after.layers.map(each => each.keyHeads)
  const heads = after.layers.map(each => each.heads)
  const isSame = after.layers.every((each, i) => each.keyHeads === before.layers[i].keyHeads && each.heads === before.layers[i].heads)
  const isOther = after.otherHeads.join() !== before.otherHeads.join()
  const [size] = new Set(after.layers.map(each => each.size))
  if ((isSame && !isOther) || size === undefined) return { config, notes: [] }
  const headsKey = keyIn(config, 'num_attention_heads', 'n_head', 'num_heads', 'n_heads')
  const keyHeadsKey = keyIn(config, 'num_key_value_heads', 'num_kv_heads')
  const isTold = heads.every((each, i) => each !== undefined && (keyHeadsKey !== undefined || each === keyHeads[i]))
  if (isOther || headsKey === undefined || !isTold) throw noPlace(config)
  const told = { ...config, [headsKey]: alike(heads as number[]) }
  const differing = new Set(keyHeads).size > 1 ? [`layers keep ${keyHeads.join(', ')} key heads: ${OLD}`] : []
  // configs with key heads have a place for their size
  if (keyHeadsKey) return { config: { ...told, [keyHeadsKey]: alike(keyHeads), head_dim: size }, notes: differing }
  const width = Number(config[keyIn(config, 'hidden_size', 'n_embd', 'd_model') ?? ''])
  const isUntold = differing.length === 0 && width / (heads[0] as number) !== size
  return { config: told, notes: isUntold ? [`heads keep ${size} channels, which config.json has no place for: ${OLD}`] : differing }
}

/** The config of a decoder's folder after units of its graph went. Throws UNSUPPORTED for heads that it has no place for. */
export const cutConfig = (config: RawConfig, before: DecoderWidths, after: DecoderWidths): ToldConfig => {
  const { config: own, notes } = withHeads(config, before, after)
  const width = keyIn(own, 'hidden_size', 'n_embd', 'd_model')
  const isWidth = width !== undefined && after.stream !== undefined && own[width] === before.stream && after.stream !== before.stream
  const inner = keyIn(own, 'intermediate_size', 'n_inner')
  const isInner =
    inner !== undefined &&
    before.neurons.length > 0 &&
    before.neurons.every(count => count === own[inner]) &&
    after.neurons.length === before.neurons.length
  return {
    config: {
      ...own,
      ...(isWidth ? { [width]: after.stream } : {}),
      ...(isWidth && before.layers[0] && own.head_dim === undefined ? { head_dim: before.layers[0].size } : {}),
      ...(isInner ? { [inner]: alike(after.neurons) } : {}),
    },
    notes,
  }
}

/** The config beside a graph after units of it went; as it was where the graph is no decoder. Throws UNSUPPORTED for heads that it has no place for. */
export const configAfter = (config: RawConfig, before: LabelledOnnx, after: LabelledOnnx): ToldConfig => {
  const widths = widthsOf(before)
  return widths().layers.length === 0 ? { config, notes: [] } : cutConfig(config, widths(), widths(after))
}

/** The same for what runs here, where each layer is asked for its heads: nothing is refused. */
export const configNow = (config: RawConfig, before: LabelledOnnx, after: LabelledOnnx): RawConfig => {
  try {
    return configAfter(config, before, after).config
  } catch {
    return config // what runs needs no folder
  }
}
