import { failure } from '../files/failing-file-system.fixture.js'
import type { Json } from '../huggingface.js'
import type { GgufValue } from './header.js'
import { mergingSource, metadataToTokenizer, tokenizerToMetadata } from './tokenizer.js'
import { PRE_TOKENIZERS } from './tables/pre-tokenizers.js'

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const bytePair = (more: object = {}): Json => ({
  added_tokens: [
    { id: 4, content: '<s>', special: true },
    { id: 5, content: '<tool>', special: false },
  ],
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  },
  model: { type: 'BPE', vocab: { a: 0, b: 1, Ġ: 2, ab: 3 }, merges: [['a', 'b']] },
  ...more,
})
const write = (tokenizer: Json, config: Json = { vocab_size: 8, bos_token_id: 4 }, tokenizerConfig: Json = {}) => {
  const source = mergingSource(tokenizer)
  const rows = (config.vocab_size as number | undefined) ?? source.tokens.length
  return tokenizerToMetadata(source, { tokenizerConfig, config, generationConfig: {} }, rows).metadata
}
const value = (tokenizer: Json, key: string, config?: Json, tokenizerConfig?: Json) =>
  write(tokenizer, config, tokenizerConfig).get(`tokenizer.${key}`)?.value

describe('tokenizer keys', () => {
  it('says what llama.cpp needs of a byte-pair tokenizer', () => {
    expect(Object.fromEntries([...write(bytePair())].map(([key, entry]) => [key.replace('tokenizer.ggml.', ''), entry.value]))).toEqual({
      model: 'gpt2',
      pre: 'gpt-2',
      tokens: ['a', 'b', 'Ġ', 'ab', '<s>', '<tool>', '[PAD6]', '[PAD7]'],
      token_type: [1, 1, 1, 1, 3, 4, 5, 5],
      merges: ['a b'],
      add_bos_token: true,
      bos_token_id: 4,
    })
  })

  it.each(Object.keys(PRE_TOKENIZERS))('tells the pre-tokenizer %s, and gives it back', name => {
    const { steps, ignoreMerges, normalizer } = PRE_TOKENIZERS[name]
    const written = bytePair({ pre_tokenizer: { type: 'Sequence', pretokenizers: steps } })
    expect(value(written, 'ggml.pre')).toBe(name)
    const { tokenizer } = metadataToTokenizer(write(written))!
    expect(tokenizer.pre_tokenizer).toEqual(steps.length === 1 ? steps[0] : { type: 'Sequence', pretokenizers: steps })
    expect((tokenizer.model as Json).ignore_merges).toBe(ignoreMerges)
    expect(tokenizer.normalizer).toEqual(normalizer)
  })

  it('gives back vocabulary, merges, special tokens and the start token', () => {
    const { tokenizer, tokenizerConfig } = metadataToTokenizer(
      write(bytePair(), { vocab_size: 8, bos_token_id: 4, eos_token_id: [3, 4], pad_token_id: null }),
    )!
    expect(tokenizer.model).toMatchObject({ type: 'BPE', vocab: { a: 0, b: 1, Ġ: 2, ab: 3, '<s>': 4, '<tool>': 5 }, merges: ['a b'] })
    expect(tokenizer.added_tokens).toMatchObject([
      { id: 4, content: '<s>', special: true },
      { id: 5, content: '<tool>', special: false },
    ])
    expect(tokenizer.post_processor).toMatchObject({ single: [{ SpecialToken: { id: '<s>' } }, { Sequence: { id: 'A' } }] })
    expect(tokenizerConfig).toEqual({
      tokenizer_class: 'PreTrainedTokenizerFast',
      bos_token: '<s>',
      eos_token: 'ab',
    })
    expect(write(tokenizer, { vocab_size: 8 }, tokenizerConfig).get('tokenizer.ggml.bos_token_id')).toEqual({ type: 'u32', value: 4 })
  })

  it('finds special tokens by their text, and adds no start token unasked', () => {
    const plain = bytePair({ post_processor: byteLevel })
    expect(value(plain, 'ggml.add_bos_token')).toBe(false)
    expect(value(plain, 'ggml.add_bos_token', undefined, { add_bos_token: true })).toBe(true)
    expect(value(plain, 'ggml.bos_token_id', {}, { bos_token: { content: '<s>' } })).toBe(4)
    expect(metadataToTokenizer(write(plain))!.tokenizer.post_processor).toBeNull()
  })

  it('spells a tokenizer of characters as bytes', () => {
    const characters = bytePair({ pre_tokenizer: null, model: { type: 'BPE', vocab: { ' ': 0, '\n': 1, a: 2 }, merges: [] } })
    expect(value(characters, 'ggml.tokens')).toEqual(['Ġ', 'Ċ', 'a', '[PAD3]', '<s>', '<tool>', '[PAD6]', '[PAD7]'])
    expect(value(characters, 'ggml.pre')).toBe('gpt-2')
  })

  it.each<[string, object, string]>([
    ['Unigram', { model: { type: 'Unigram' } }, 'A tokenizer of type Unigram'],
    [
      'byte fallback without marked spaces',
      { model: { type: 'BPE', byte_fallback: true, vocab: {}, merges: [] } },
      'A tokenizer of type BPE with byte_fallback that does not mark spaces',
    ],
    ['no model', { model: undefined }, 'A tokenizer of type none'],
    ['another pre-tokenizer', { pre_tokenizer: { type: 'Whitespace' } }, 'The pre-tokenizer Whitespace'],
    ['no pre-tokenizer but merges', { pre_tokenizer: null }, 'The pre-tokenizer none'],
    ['a prefix space', { pre_tokenizer: { ...byteLevel, add_prefix_space: true } }, 'A ByteLevel pre-tokenizer with add_prefix_space'],
  ])('refuses %s', async (_, more, what) => {
    expect(await failure(() => write(bytePair(more)))).toBe(
      `UNSUPPORTED: ${what} has no counterpart in GGUF.\nLeave tokenizer.json out of the files to write a model without tokenizer.`,
    )
  })

  it('refuses a tokenizer without vocabulary', async () => {
    for (const model of [{ type: 'BPE' }, { type: 'BPE', vocab: { a: -1 }, merges: [] }, { type: 'BPE', vocab: {}, merges: [1] }])
      expect(await failure(() => write(bytePair({ model })))).toBe(
        "BAD_FILE: tokenizer.json has no vocabulary with merges.\nTake the tokenizer.json of the model's own folder.",
      )
  })

  it('keeps byte pairs with marked spaces, the order of merges as scores', () => {
    const vocab = { '<unk>': 0, '<s>': 1, '<0x0A>': 2, '▁': 3, a: 4, b: 5, ab: 6, '▁ab': 7, '▁a': 8 }
    const merges = [
      ['a', 'b'],
      ['▁', 'ab'],
      ['▁a', 'b'],
      ['▁', 'a'],
    ]
    const tokenizer: Json = {
      added_tokens: [
        { id: 0, content: '<unk>', special: true },
        { id: 1, content: '<s>', special: true },
      ],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      },
      model: { type: 'BPE', unk_token: '<unk>', byte_fallback: true, vocab, merges },
    }
    const metadata = write(tokenizer, {}, { bos_token: '<s>' })
    expect(Object.fromEntries([...metadata].map(([key, entry]) => [key.replace('tokenizer.ggml.', ''), entry.value]))).toEqual({
      model: 'llama',
      pre: 'default',
      tokens: Object.keys(vocab),
      token_type: [2, 3, 6, 1, 1, 1, 1, 1, 1],
      scores: [-4, -4, -4, -4, -4, -4, -0, -1, -3],
      add_space_prefix: true,
      add_bos_token: true,
      bos_token_id: 1,
    })
    const back = metadataToTokenizer(metadata)!.tokenizer
    expect(back).toMatchObject({ normalizer: tokenizer.normalizer, pre_tokenizer: null, added_tokens: tokenizer.added_tokens as object[] })
    expect(back.model).toMatchObject({ vocab, merges, unk_token: '<unk>', byte_fallback: true })
    const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' }
    expect(value({ ...tokenizer, normalizer: null, pre_tokenizer: metaspace }, 'ggml.add_space_prefix')).toBe(false)
    expect(
      value({ ...tokenizer, normalizer: null, pre_tokenizer: { ...metaspace, prepend_scheme: 'first' } }, 'ggml.add_space_prefix'),
    ).toBe(true)
  })

  it('splits no piece that is longer than pieces are', () => {
    const tokens = ['a', 'a'.repeat(127), 'a'.repeat(128), 'a'.repeat(129)]
    const entry = (of: 'string' | 'i32' | 'f32', list: readonly (string | number)[]) => ({ type: 'list', of, value: list }) as const
    const { tokenizer } = metadataToTokenizer(
      new Map<string, GgufValue>([
        ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
        ['tokenizer.ggml.tokens', entry('string', tokens)],
        ['tokenizer.ggml.token_type', entry('i32', [1, 1, 1, 1])],
        ['tokenizer.ggml.scores', entry('f32', [0, 0, 0, 0])],
      ]),
    )!
    expect((tokenizer.model as { merges: unknown }).merges).toEqual([
      ['a', 'a'.repeat(127)],
      ['a'.repeat(127), 'a'],
    ])
  })

  it('gives no tokenizer for kinds that it does not know', () => {
    expect(metadataToTokenizer(new Map())).toBeUndefined()
    expect(metadataToTokenizer(new Map([['tokenizer.ggml.model', { type: 'string', value: 'bert' }]]))).toBeUndefined()
    expect(metadataToTokenizer(new Map([['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }]]))).toBeUndefined()
  })
})
