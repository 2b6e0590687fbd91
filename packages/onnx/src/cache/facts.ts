import type { AttentionFacts } from '@tersor/core'
import { attentionFacts } from '@tersor/models/internal/networks/llama'
import { parseLlamaConfig } from '@tersor/models/llama-config'
import type { RawConfig } from '@tersor/models/raw-config'
import { CompressionError } from '@tersor/tensor'
import { floatOf, numberOf } from '../file/attributes.js'
import type { NodeProto } from '../file.js'
import type { AttentionNodes } from './attention-nodes.js'
import type { GraphLayer } from './layers.js'

/** Architectures whose embedding adds a table of positions. */
const LEARNED: ReadonlySet<unknown> = new Set(['gpt2', 'gpt_neo', 'opt'])

const unknownRotation = (architecture: unknown): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `How positions turn keys is not known of ${typeof architecture === 'string' ? `a "${architecture}"` : 'a graph without a config.json'}.`,
    'Choose a policy with true positions that needs no rotation, such as snap-kv; or put the config.json of a network of the Llama family beside the graph.',
  )

/** What a config says of each layer; undefined for a network that is not of the Llama family. */
const configured = (rawConfig: RawConfig, layers: number): readonly AttentionFacts[] | undefined => {
  try {
    const config = parseLlamaConfig(rawConfig)
    const attending = config.widths.flatMap(({ heads }, layer) => (heads > 0 ? [layer] : []))
    return attending.length === layers ? attending.map(layer => attentionFacts(layer, config)) : undefined
  } catch {
    return undefined // the graph runs by what it is; only what policies turn wants more
  }
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined

/** What a fused node says itself. */
const fusedFacts = (node: NodeProto, size: number) => {
  const [cap, window] = [floatOf(node, 'softcap', 0), numberOf(node, 'local_window_size', -1)]
  return {
    heads: numberOf(node, 'num_heads', 0),
    scale: floatOf(node, 'scale', 0) || 1 / Math.sqrt(size),
    cap: cap > 0 ? cap : null,
    window: window > 0 ? window : null,
  }
}

/** What a cache must know of each layer: of a fused node what it says, of plain operators what the config says. */
export const factsOf = (
  layers: readonly GraphLayer[],
  nodes: readonly (AttentionNodes | undefined)[],
  rawConfig: RawConfig,
): readonly AttentionFacts[] => {
  const known = configured(rawConfig, layers.length)
  return layers.map(({ keyHeads, size }, i): AttentionFacts => {
    const each = nodes[i]
    const positions: Pick<AttentionFacts, 'positions' | 'frequencies'> = LEARNED.has(rawConfig.model_type)
      ? { positions: 'learned' }
      : { positions: 'rotated', frequencies: () => { throw unknownRotation(rawConfig.model_type) } } // prettier-ignore
    const heads = positive(rawConfig.num_attention_heads) ?? positive(rawConfig.n_head) ?? keyHeads
    const usual = known?.[i] ?? { heads, scale: 1 / Math.sqrt(size), ...positions }
    return { ...usual, keyHeads, size, ...(each?.kind === 'fused' ? fusedFacts(each.node, size) : {}) }
  })
}
