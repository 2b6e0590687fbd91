import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { failure } from '../files/failing-file-system.fixture.js'
import type { Json } from '../files/json-text.js'
import { entriesToTemplates } from './chat-templates.js'
import type { GgufValue, Metadata } from './header.js'
import { metadataToTokenizer } from './tokenizer.js'
import { tokenizerWriter } from './write-tokenizer.js'

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const ENDS = ['<s>', '</s>', '<|end|>', '<|stop|>', '<|call|>']
const tokenizer: Json = {
  added_tokens: ENDS.map((content, i) => ({ id: 3 + i, content, special: true })),
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] },
}
const write = (files: Readonly<Record<string, unknown>>, config: Json = {}, rows?: number, carried?: Metadata) => {
  const all = { 'tokenizer.json': tokenizer, ...files }
  const sides = Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value instanceof Uint8Array ? value : bytes(value)]],
    ),
  )
  return tokenizerWriter({ config, files: sides, ...(carried ? { carried } : {}) })(rows)
}
const keys = (metadata: Metadata, start: string): Json =>
  Object.fromEntries([...metadata].flatMap(([key, { value }]) => (key.startsWith(start) ? [[key.slice(start.length), value]] : [])))
const ids = (metadata: Metadata): Json =>
  Object.fromEntries(Object.entries(keys(metadata, 'tokenizer.ggml.')).filter(([key]) => key.endsWith('_token_id')))

describe('chat templates', () => {
  const T = '{{ messages }}'
  it.each<[string, Readonly<Record<string, unknown>>, Json]>([
    ['tokenizer_config.json', { 'tokenizer_config.json': { chat_template: T } }, { '': T }],
    ['chat_template.jinja', { 'chat_template.jinja': T }, { '': T }],
    ['chat_template.json', { 'chat_template.json': { chat_template: T } }, { '': T }],
    ['tokenizer_config.json before the others', { 'tokenizer_config.json': { chat_template: T }, 'chat_template.jinja': 'x' }, { '': T }],
    [
      'a list',
      {
        'tokenizer_config.json': {
          chat_template: [
            { name: 'default', template: T },
            { name: 'tool use', template: 'U' },
          ],
        },
      },
      { s: ['tool_use'], '': T, '.tool_use': 'U' },
    ],
    ['a list without default', { 'chat_template.json': { chat_template: [{ name: 'rag', template: 'R' }] } }, { s: ['rag'], '.rag': 'R' }],
    ['names with templates', { 'chat_template.json': { chat_template: { default: T, rag: 'R' } } }, { s: ['rag'], '': T, '.rag': 'R' }],
    ['none', {}, {}],
  ])('arrive from %s', (_, files, wanted) => {
    expect(keys(write(files).metadata, 'tokenizer.chat_template')).toEqual(wanted)
  })

  it('come back as they were', () => {
    const list = [
      { name: 'default', template: T },
      { name: 'rag', template: 'R' },
    ]
    expect(entriesToTemplates(write({ 'tokenizer_config.json': { chat_template: list } }).metadata)).toEqual({ chat_template: list })
    expect(entriesToTemplates(write({ 'chat_template.jinja': T }).metadata)).toEqual({ chat_template: T })
    expect(metadataToTokenizer(write({ 'chat_template.jinja': T }).metadata)!.tokenizerConfig.chat_template).toBe(T)
  })

  it.each([7, [{ name: 'default' }], [7]])('of %j are refused', async chat_template => {
    expect(await failure(() => write({ 'tokenizer_config.json': { chat_template } }))).toBe(
      "BAD_FILE: The chat_template of tokenizer_config.json is neither text nor a list of named texts.\nTake the file of the model's own folder.",
    )
  })
})

describe('tokens with a part of their own', () => {
  it.each<[string, Json, Json, Json, Json]>([
    ['the tokenizer before the config', { eos_token: '<|stop|>' }, { eos_token_id: 4 }, {}, { eos_token_id: 6, eot_token_id: 4 }],
    ['the config where the tokenizer is silent', {}, { eos_token_id: 4, bos_token_id: 3 }, {}, { eos_token_id: 4, bos_token_id: 3 }],
    ['generation_config.json last', {}, {}, { eos_token_id: [5, 6] }, { eos_token_id: 5, eot_token_id: 6 }],
    [
      'further ends',
      { eos_token: { content: '<|end|>' } },
      { eos_token_id: 4 },
      { eos_token_id: [5, 6] },
      { eos_token_id: 5, eot_token_id: 6, eom_token_id: 4 },
    ],
    [
      'other parts',
      { unk_token: '<s>', pad_token: '</s>', sep_token: '<|end|>' },
      { mask_token_id: 6 },
      {},
      { unknown_token_id: 3, padding_token_id: 4, seperator_token_id: 5, mask_token_id: 6 },
    ],
    ['no token that the embedding has no row for', { eos_token: 'missing' }, { eos_token_id: 99 }, { eos_token_id: -1 }, {}],
  ])('go by %s', (_, tokenizerConfig, config, generation, wanted) => {
    const files = { 'tokenizer_config.json': tokenizerConfig, 'generation_config.json': generation }
    expect(ids(write(files, config).metadata)).toEqual(wanted)
  })

  it('are named where there is no room for them', () => {
    const { notes } = write({ 'generation_config.json': { eos_token_id: [3, 4, 5, 6, 7] } })
    expect(notes).toEqual(['GGUF has room for three tokens that end a text: 6, 7 do not'])
  })

  it.each<[string, unknown, Json, Json]>([
    [
      'a template says so',
      [{ SpecialToken: { id: '<s>' } }, { Sequence: {} }, { SpecialToken: { id: '</s>' } }],
      {},
      { bos: true, eos: true },
    ],
    ['a template does not', [{ Sequence: {} }], {}, { bos: false, eos: undefined }],
    [
      'the config overrules it',
      [{ SpecialToken: { id: '<s>' } }, { Sequence: {} }],
      { add_bos_token: false, add_eos_token: true },
      { bos: false, eos: true },
    ],
  ])('stand around every text where %s', (_, single, more, wanted) => {
    const processed = { ...tokenizer, post_processor: { type: 'Sequence', processors: [{ type: 'TemplateProcessing', single }] } }
    const { metadata } = write({ 'tokenizer.json': processed, 'tokenizer_config.json': { bos_token: '<s>', eos_token: '</s>', ...more } })
    const said = (name: string) => metadata.get(`tokenizer.ggml.add_${name}_token`)?.value
    expect({ bos: said('bos'), eos: said('eos') }).toEqual(wanted)
  })
})

describe('the vocabulary', () => {
  const tokens = (metadata: Metadata) => metadata.get('tokenizer.ggml.tokens')!.value as readonly string[]
  it('has as many tokens as the embedding has rows', () => {
    const few = write({}, {}, 6)
    expect(tokens(few.metadata)).toEqual(['a', 'b', 'ab', '<s>', '</s>', '<|end|>'])
    expect(few.notes).toEqual(['the tokenizer has 8 tokens and the embedding 6 rows: the last 2 tokens are left out'])
    const many = write({}, { vocab_size: 8 }, 10)
    expect(tokens(many.metadata).slice(8)).toEqual(['[PAD8]', '[PAD9]'])
    expect((many.metadata.get('tokenizer.ggml.token_type')!.value as readonly number[]).slice(7)).toEqual([3, 5, 5])
    expect(many.notes).toEqual([])
  })

  it('spells spaces within the halves of merges', () => {
    const spaced = { ...tokenizer, model: { type: 'BPE', vocab: { a: 0 }, merges: [['a', ' b']] } }
    expect(write({ 'tokenizer.json': spaced }).metadata.get('tokenizer.ggml.merges')!.value).toEqual(['a Ġb'])
  })

  it('is refused where two tokens have one text, at which llama.cpp stops the program', async () => {
    const twice = { ...tokenizer, added_tokens: [{ id: 3, content: 'a\n' }, { id: 4, content: 'a\n' }] } // prettier-ignore
    expect(await failure(() => write({ 'tokenizer.json': twice }))).toBe(
      'BAD_FILE: The tokens 3 and 4 of the tokenizer are both "a\\n".\nTake the tokenizer of the model itself: no text may have two ids.',
    )
  })

  it('is refused where an id is absurd', async () => {
    const absurd = { ...tokenizer, added_tokens: [{ id: 2 ** 40, content: 'x' }] }
    expect(await failure(() => write({ 'tokenizer.json': absurd }))).toBe(
      'BAD_FILE: tokenizer.json has a token with the id 1099511627776.\nIds go up to 16777216.',
    )
  })

  it('of a GGUF file is kept as a whole, whatever its kind', () => {
    const carried = new Map<string, GgufValue>([
      ['tokenizer.ggml.model', { type: 'string', value: 'rwkv' }],
      ['tokenizer.ggml.tokens', { type: 'list', of: 'string', value: ['x'] }],
      ['tokenizer.ggml.precompiled_charsmap', { type: 'list', of: 'u8', value: [1, 2] }],
      ['tokenizer.huggingface.json', { type: 'string', value: '{}' }],
      ['llama.block_count', { type: 'u32', value: 1 }],
    ])
    expect([...write({}, {}, 1, carried).metadata]).toEqual([...carried].slice(0, 4))
  })

  it.each([
    [{}, 'there is no tokenizer.json'],
    [{ 'vocab.json': {}, 'merges.txt': 'a b' }, 'vocab.json and merges.txt are not read; tokenizer.json and tokenizer.model are'],
  ])('is named as missing where the files are %j', (files, why) => {
    const { metadata, notes } = write({ 'tokenizer.json': undefined, ...files })
    expect(keys(metadata, 'tokenizer.ggml.')).toEqual({ model: 'no_vocab' })
    expect(notes).toEqual([`the file has no tokenizer: ${why}`])
  })
})

describe('tokenizer.model', () => {
  const piece = (text: string, score: number, type: number): Uint8Array =>
    new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(text)
      .tag(2, WireType.Bit32)
      .float(score)
      .tag(3, WireType.Varint)
      .int32(type)
      .finish()
  const model = (
    pieces: readonly (readonly [string, number, number])[],
    kind: number,
    addsSpace = true,
    normalizes = false,
  ): Uint8Array => {
    const writer = new BinaryWriter()
    for (const each of pieces) writer.tag(1, WireType.LengthDelimited).bytes(piece(...each))
    writer.tag(2, WireType.LengthDelimited).bytes(new BinaryWriter().tag(3, WireType.Varint).int32(kind).finish())
    const normalizer = new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(new Uint8Array(normalizes ? 4 : 0))
    for (const [field, value] of [[3, addsSpace], [4, normalizes]] as const) normalizer.tag(field, WireType.Varint).bool(value) // prettier-ignore
    return writer.tag(3, WireType.LengthDelimited).bytes(normalizer.finish()).finish()
  }
  const PIECES = [['<unk>', 0, 2], ['<s>', 0, 3], ['</s>', 0, 3], ['<0x0A>', 0, 6], ['▁a', -0.5, 1], ['▁', -1.5, 1], ['a', -2, 1]] as const // prettier-ignore
  const only = (content: Uint8Array, more: Readonly<Record<string, unknown>> = {}, config: Json = {}, rows?: number) =>
    write({ 'tokenizer.json': undefined, 'tokenizer.model': content, ...more }, config, rows)

  it('becomes pieces with scores and types, and its own special tokens', () => {
    const { metadata, notes } = only(model(PIECES, 2))
    expect(notes).toEqual([])
    expect(keys(metadata, 'tokenizer.ggml.')).toEqual({
      ...{ model: 'llama', pre: 'default', add_space_prefix: true, add_bos_token: true },
      ...{ bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 },
      tokens: PIECES.map(([text]) => text),
      scores: PIECES.map(([, score]) => score),
      token_type: PIECES.map(([, , type]) => type),
    })
    expect(metadataToTokenizer(metadata)!.tokenizer.model).toMatchObject({ merges: [['▁', 'a']], unk_token: '<unk>' })
  })

  it('says what it does to texts that llama.cpp does not', () => {
    expect(only(model(PIECES, 2, true, true)).notes).toEqual([
      'tokenizer.model maps characters to others before it splits a text, which llama.cpp does not',
      'tokenizer.model joins spaces that follow each other before it splits a text, which llama.cpp does not',
    ])
  })

  it('takes added tokens from the files beside it, and no space in front where it says so', () => {
    const config = { added_tokens_decoder: { 7: { content: '<|im_end|>', special: true } }, eos_token: '<|im_end|>' }
    const { metadata } = only(model(PIECES, 2, false), { 'tokenizer_config.json': config, 'added_tokens.json': { '<tool>': 8 } }, {}, 10)
    expect(metadata.get('tokenizer.ggml.add_space_prefix')!.value).toBe(false)
    expect((metadata.get('tokenizer.ggml.tokens')!.value as string[]).slice(7)).toEqual(['<|im_end|>', '<tool>', '[PAD9]'])
    expect((metadata.get('tokenizer.ggml.token_type')!.value as number[]).slice(7)).toEqual([3, 4, 5])
    expect(metadata.get('tokenizer.ggml.eos_token_id')!.value).toBe(7)
  })

  it.each([
    [1, 'unigram'],
    [4, 'char'],
  ])('of the kind %i is refused, since llama.cpp would split texts in another way', async (kind, name) => {
    expect(await failure(() => only(model(PIECES, kind)))).toBe(
      `UNSUPPORTED: tokenizer.model is a tokenizer of the kind ${name}; only BPE has a counterpart in GGUF.\n` +
        'Leave tokenizer.model out of the folder to write a model without tokenizer.',
    )
  })

  it.each<[string, Uint8Array, string]>([
    ['random bytes', Uint8Array.from([255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]), 'is no model of SentencePiece.'],
    ['nothing', new Uint8Array(), 'has no vocabulary of pieces with scores.'],
    ['a score that is none', model([['a', NaN, 1]], 2), 'has no vocabulary of pieces with scores.'],
  ])('of %s is refused', async (_, content, error) => {
    expect(await failure(() => only(content))).toBe(
      `BAD_FILE: tokenizer.model ${error}\nTake the tokenizer.model of the model's own folder.`,
    )
  })
})
