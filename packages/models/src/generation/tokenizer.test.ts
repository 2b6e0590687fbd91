import { byteTokenizer } from './byte-tokenizer.js'
import { describeData, readJson } from '../shared-data.fixture.js'
import { openTokenizer } from './tokenizer.js'

const json = {
  version: '1.0',
  added_tokens: [{ id: 0, content: '<s>', special: true, single_word: false, lstrip: false, rstrip: false, normalized: false }],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  },
  decoder: { type: 'Fuse' },
  model: { type: 'BPE', vocab: { '<s>': 0, a: 1, b: 2, ab: 3, ' ': 4, '.': 5 }, merges: ['a b'], unk_token: '<s>' },
}
const config = { bos_token: '<s>', eos_token: { content: '<s>' } }

const refusal = (files: Parameters<typeof openTokenizer>[0]) => {
  try {
    openTokenizer(files)
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return [code, message.split('\n')]
  }
  return []
}
const remedy = "Take the tokenizer.json of the model's own folder."

describe('openTokenizer', () => {
  it('encodes with the special tokens of the file, or without', () => {
    const tokenizer = openTokenizer({ 'tokenizer.json': json, 'tokenizer_config.json': config })
    expect(tokenizer.encode('abb')).toEqual([0, 3, 2])
    expect(tokenizer.encode('abb', { specials: false })).toEqual([3, 2])
    expect(tokenizer.decode([0, 3, 2])).toBe('abb')
    expect(tokenizer.decode([0, 3, 2], { skipSpecials: false })).toBe('<s>abb')
    expect(tokenizer.decode([])).toBe('')
    expect(tokenizer).toMatchObject({ bos: 0, eos: 0, vocabularySize: 6 })
  })

  it('gives the text back as it was where the config is silent', () => {
    const tokenizer = openTokenizer({ 'tokenizer.json': JSON.stringify(json) })
    expect(tokenizer.decode(tokenizer.encode('a .'))).toBe('a .')
    expect(tokenizer.bos).toBeUndefined()
  })

  it('reads bytes', () => {
    const bytes = new TextEncoder().encode(JSON.stringify(json))
    expect(openTokenizer({ 'tokenizer.json': bytes }).encode('b')).toEqual([0, 2])
  })

  /** Pieces that pre_tokenizers of Hugging Face's tokenizers 0.23 give. */
  it.each([
    [{ type: 'Digits', individual_digits: true }, 'a½ x² ١٢', ['a', '½', ' x', '²', ' ', '١', '٢']],
    [{ type: 'Digits', individual_digits: false }, 'a½ x² ١٢ 12', ['a', '½', ' x', '²', ' ', '١٢', ' ', '12']],
    [{ type: 'Whitespace' }, 'naïve Привет_мир!? x½ हिन्दी', ['naïve', 'Привет_мир', '!?', 'x', '½', 'हिन्दी']],
    [{ type: 'Punctuation' }, 'a!!b «c»… $+', ['a', '!', '!', 'b ', '«', 'c', '»', '…', ' ', '$', '+']],
    [{ type: 'Punctuation', behavior: 'Contiguous' }, 'a!!b «c»… $+', ['a', '!!', 'b ', '«', 'c', '»…', ' ', '$+']],
    [{ type: 'Punctuation', behavior: 'Removed' }, 'a!!b «c»… $+', ['a', 'b ', 'c', ' ']],
    [{ type: 'Punctuation', behavior: 'MergedWithPrevious' }, 'a!!b «c» d', ['a!', '!', 'b «', 'c»', ' d']],
    [{ type: 'Punctuation', behavior: 'MergedWithNext' }, 'a!!b «c» d', ['a', '!', '!b ', '«c', '» d']],
    [{ type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithPrevious', invert: false }, 'a  b c', ['a ', ' ', 'b ', 'c']],
    [{ type: 'Split', pattern: { String: '.' }, behavior: 'MergedWithNext', invert: false }, 'a..b.c', ['a', '.', '.b', '.c']],
    [{ type: 'Split', pattern: { Regex: 'b|c' }, behavior: 'Contiguous', invert: false }, 'abcad', ['a', 'bc', 'ad']],
    [{ type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Removed', invert: true }, 'ab, é', ['ab', 'é']],
    [{ type: 'Sequence', pretokenizers: [{ type: 'Whitespace' }, { type: 'Digits', individual_digits: true }] }, 'ab½2', ['ab', '½', '2']],
  ])('splits as the official library does: %j', (pre_tokenizer, text, pieces) => {
    const vocab = Object.fromEntries([...new Set(pieces)].map((piece, id) => [piece, id]))
    const model = { type: 'BPE', vocab, merges: [], ignore_merges: true }
    const tokenizer = openTokenizer({ 'tokenizer.json': { ...json, added_tokens: [], post_processor: null, pre_tokenizer, model } })
    expect(tokenizer.encode(text)).toEqual(pieces.map(piece => vocab[piece]))
  })

  it.each([
    [{}, 'There is no tokenizer.json.'],
    [{ 'tokenizer.json': '{' }, 'tokenizer.json is no JSON.'],
    [{ 'tokenizer.json': '['.repeat(1e5) + ']'.repeat(1e5) }, 'tokenizer.json is no JSON.'],
    [{ 'tokenizer.json': '3' }, 'tokenizer.json is not an object.'],
    [{ 'tokenizer.json': json, 'tokenizer_config.json': '[' }, 'tokenizer_config.json is no JSON.'],
  ])('refuses %#: what is no tokenizer', (files, what) => expect(refusal(files)).toEqual(['BAD_FILE', [what, remedy]]))

  it('says when the file describes no tokenizer', () => {
    const [code, [what, second]] = refusal({ 'tokenizer.json': { model: { type: 'Rune' } } }) as [string, string[]]
    expect([code, second]).toEqual(['BAD_FILE', remedy])
    expect(what).toMatch(/^tokenizer\.json describes no tokenizer: /)
  })
})

describe('byteTokenizer', () => {
  it('puts its one special token before a text', () => {
    const tokenizer = byteTokenizer()
    expect(tokenizer.encode('aé')).toEqual([256, 97, 195, 169])
    expect(tokenizer.encode('a', { specials: false })).toEqual([97])
    expect(tokenizer.decode([256, 97, 195, 169])).toBe('aé')
    expect(tokenizer.decode([256, 97], { skipSpecials: false })).toBe('<|endoftext|>a')
  })
})

describeData('lm/shakespeare-llama', "the character model's tokenizer", () => {
  it('gives one id a character', () => {
    const folder = 'lm/shakespeare-llama'
    const tokenizer = openTokenizer({
      'tokenizer.json': readJson(`${folder}/tokenizer.json`),
      'tokenizer_config.json': readJson(`${folder}/tokenizer_config.json`),
    })
    const ids = tokenizer.encode('ROMEO:\n')
    expect(ids).toHaveLength(7)
    expect(tokenizer.decode(ids)).toBe('ROMEO:\n')
    expect(tokenizer).toMatchObject({ bos: 1, eos: 2, vocabularySize: 68 })
  })
})
