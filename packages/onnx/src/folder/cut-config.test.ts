import type { DecoderWidths } from '../couplings/head-counts.js'
import { cutConfig } from './cut-config.js'

type Layer = readonly [keyHeads: number, heads: number | undefined]

const widths = (layers: readonly Layer[], more: Partial<DecoderWidths> = {}): DecoderWidths => ({
  layers: layers.map(([keyHeads, heads]) => ({ keyHeads, heads, size: 8 })),
  ...{ stream: 32, neurons: layers.map(() => 64), otherHeads: [], ...more },
})

/** Two layers. */
const two = (one: Layer, other: Layer, more: Partial<DecoderWidths> = {}): DecoderWidths => widths([one, other], more)

const LLAMA = { model_type: 'llama', hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 64 }
const GPT2 = { model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 1 }
const TWO = two([2, 4], [2, 4])

type Told = readonly [config: Readonly<Record<string, unknown>>, ...notes: readonly string[]]

it.each<readonly [string, Readonly<Record<string, unknown>>, DecoderWidths, DecoderWidths, Told]>([
  ['nothing new of what did not change', LLAMA, TWO, TWO, [LLAMA]],
  ['key heads', LLAMA, TWO, two([1, 2], [1, 2]), [{ ...LLAMA, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8 }]],
  ['query heads that differ', LLAMA, TWO, two([2, 2], [2, 4]), [{ ...LLAMA, num_attention_heads: [2, 4], head_dim: 8 }]],
  [
    'key heads that differ',
    LLAMA,
    TWO,
    two([1, 2], [2, 4]),
    [
      { ...LLAMA, num_attention_heads: [2, 4], num_key_value_heads: [1, 2], head_dim: 8 },
      'layers keep 1, 2 key heads: transformers.js below version 4 makes caches of another size',
    ],
  ],
  [
    'a narrower stream, whose heads stay as wide',
    LLAMA,
    TWO,
    two([2, 4], [2, 4], { stream: 24 }),
    [{ ...LLAMA, hidden_size: 24, head_dim: 8 }],
  ],
  ['neurons', LLAMA, TWO, two([2, 4], [2, 4], { neurons: [48, 32] }), [{ ...LLAMA, intermediate_size: [48, 32] }]],
  [
    'heads of GPT-2, whose size is told by the stream',
    GPT2,
    widths([[4, 4]]),
    widths([[2, 2]]),
    [
      { ...GPT2, n_head: 2 },
      'heads keep 8 channels, which config.json has no place for: transformers.js below version 4 makes caches of another size',
    ],
  ],
])('tells %s', (_what, config, before, after, [told, ...notes]) => {
  expect(cutConfig(config, before, after)).toEqual({ config: told, notes })
})

it.each<readonly [string, Readonly<Record<string, unknown>>, DecoderWidths, DecoderWidths]>([
  ['belong to no cache', LLAMA, widths([[1, undefined]], { otherHeads: [4] }), widths([[1, undefined]], { otherHeads: [2] })],
  ['a config says nothing of', { model_type: 'unknown' }, TWO, two([1, 2], [1, 2])],
  ['are in groups now', GPT2, widths([[4, 4]]), widths([[2, 4]])],
])('refuses heads that %s', (_what, config, before, after) => {
  let refused: unknown
  try {
    cutConfig(config, before, after)
  } catch (error) {
    refused = error
  }
  expect(refused).toMatchObject({ code: 'UNSUPPORTED' })
  expect((refused as Error).message.split('\n')).toEqual([
    'The heads of the graph changed, and its config.json has no place for their number.',
    'Keep them, or write the graph by itself: an --out that ends in .onnx.',
  ])
})
