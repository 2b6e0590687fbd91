/** Trains a byte-level byte-pair encoding and writes it as a Hugging Face tokenizer.json. Sennrich et al. 2015, https://arxiv.org/abs/1508.07909 */

/** GPT-2's pre-tokenizer: contractions, words, numbers, punctuation, spaces. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** GPT-2's map of bytes to printable characters: printable Latin-1 stays, the rest moves to U+0100 and on. */
export const byteCharacters = (): readonly string[] => {
  const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let moved = 0
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + moved++))
}

interface Word {
  symbols: string[]
  readonly count: number
}

const countWords = (documents: readonly string[]): Word[] => {
  const characters = byteCharacters()
  const encoder = new TextEncoder()
  const counts = new Map<string, number>()
  for (const document of documents) for (const [word] of document.matchAll(WORDS)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, count]) => ({ symbols: [...encoder.encode(word)].map(byte => characters[byte]), count }))
}

const SEPARATOR = '\u0000'

const pairsOf = (word: Word): string[] => word.symbols.slice(1).map((symbol, i) => word.symbols[i] + SEPARATOR + symbol)

const merge = (symbols: readonly string[], left: string, right: string): string[] => {
  const merged: string[] = []
  for (let i = 0; i < symbols.length; i++) {
    const joins = symbols[i] === left && symbols[i + 1] === right
    merged.push(joins ? left + right : symbols[i])
    if (joins) i++
  }
  return merged
}

/** The merges in order: each joins the most frequent pair, ties by the pair's own order. */
export const trainMerges = (documents: readonly string[], count: number): [string, string][] => {
  const words = countWords(documents)
  const frequency = new Map<string, number>()
  const places = new Map<string, Set<Word>>()
  const add = (word: Word, sign: 1 | -1): void => {
    for (const pair of pairsOf(word)) {
      frequency.set(pair, (frequency.get(pair) ?? 0) + sign * word.count)
      if (sign === 1) (places.get(pair) ?? places.set(pair, new Set()).get(pair)!).add(word)
    }
  }
  words.forEach(word => add(word, 1))
  const merges: [string, string][] = []
  while (merges.length < count) {
    let best = ''
    let bestFrequency = 1
    for (const [pair, n] of frequency)
      if (n > bestFrequency || (n === bestFrequency && best !== '' && pair < best)) [best, bestFrequency] = [pair, n]
    if (best === '') break
    const [left, right] = best.split(SEPARATOR) as [string, string]
    merges.push([left, right])
    for (const word of places.get(best) ?? []) {
      add(word, -1)
      word.symbols = merge(word.symbols, left, right)
      add(word, 1)
    }
    frequency.delete(best)
    places.delete(best)
  }
  return merges
}

/** tokenizer.json with one special token, id 0, which also begins every encoded text. */
export const tokenizerJson = (merges: readonly [string, string][], special: string): Readonly<Record<string, unknown>> => {
  const tokens = [special, ...byteCharacters(), ...merges.map(([left, right]) => left + right)]
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [{ id: 0, content: special, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: special, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: special, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: special, type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { [special]: { id: special, ids: [0], tokens: [special] } },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
}
