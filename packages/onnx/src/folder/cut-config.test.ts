import type { DecoderWidths } from '../couplings/head-counts.js'
import { cutConfig } from './cut-config.js'

const widths = (
  layers: readonly (readonly [keyHeads: number, heads: number | undefined])[],
  more: Partial<DecoderWidths> = {},
): DecoderWidths => ({
  layers: layers.map(([keyHeads, heads]) => ({ keyHeads, heads, size: 8 })),
  ...{ stream: 32, neurons: layers.map(() => 64), otherHeads: [], ...more },
})

const LLAMA = { model_type: 'llama', hidden_size: 32, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 64 }
const GPT2 = { model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 1 }
const TWO = widths([[2, 4], [2, 4]]) // prettier-ignore

it.each<readonly [string, Readonly<Record<string, unknown>>, DecoderWidths, DecoderWidths, Readonly<Record<string, unknown>>]>([
  ['says nothing new of what did not change', LLAMA, TWO, TWO, LLAMA],
  [
    'of key heads',
    LLAMA,
    TWO,
    widths([
      [1, 2],
      [1, 2],
    ]),
    { ...LLAMA, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8 },
  ],
  [
    'of query heads that differ',
    LLAMA,
    TWO,
    widths([
      [2, 2],
      [2, 4],
    ]),
    { ...LLAMA, num_attention_heads: [2, 4], head_dim: 8 },
  ],
  [
    'of a narrower stream, whose heads stay as wide',
    LLAMA,
    TWO,
    widths(
      [
        [2, 4],
        [2, 4],
      ],
      { stream: 24 },
    ),
    { ...LLAMA, hidden_size: 24, head_dim: 8 },
  ],
  [
    'of neurons',
    LLAMA,
    TWO,
    widths(
      [
        [2, 4],
        [2, 4],
      ],
      { neurons: [48, 32] },
    ),
    { ...LLAMA, intermediate_size: [48, 32] },
  ],
  ['of GPT-2 where the width of the stream follows', GPT2, widths([[4, 4]]), widths([[4, 4]], { neurons: [1] }), GPT2],
])('tells %s', (_what, config, before, after, told) => expect(cutConfig(config, before, after)).toEqual(told))

it.each<readonly [string, Readonly<Record<string, unknown>>, DecoderWidths, DecoderWidths, readonly string[]]>([
  [
    'key heads that differ',
    LLAMA,
    TWO,
    widths([
      [1, 2],
      [2, 4],
    ]),
    [
      'Layers of the graph keep 1, 2 key heads, and transformers.js makes the caches of all of them alike.',
      'Keep as many in each, or write the graph by itself: an --out that ends in .onnx.',
    ],
  ],
  [
    'heads of GPT-2, whose size is told by the stream',
    GPT2,
    widths([[4, 4]]),
    widths([[2, 2]]),
    [
      'Heads have 8 channels, and the config.json of a "gpt2" says so by the width of the stream alone.',
      'Keep them, or write the graph by itself: an --out that ends in .onnx.',
    ],
  ],
  [
    'heads that belong to no cache',
    LLAMA,
    widths([[1, undefined]], { otherHeads: [4] }),
    widths([[1, undefined]], { otherHeads: [2] }),
    [
      'The heads of the graph changed, and its config.json has no place for their number.',
      'Keep them, or write the graph by itself: an --out that ends in .onnx.',
    ],
  ],
])('has no place for %s', (_what, config, before, after, lines) => {
  const refused = (() => { try { return cutConfig(config, before, after) } catch (error) { return error } })() as Error & { readonly code: string } // prettier-ignore
  expect([refused.code, refused.message.split('\n')]).toEqual(['UNSUPPORTED', lines])
})
