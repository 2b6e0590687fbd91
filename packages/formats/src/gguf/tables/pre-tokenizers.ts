type Step = Readonly<Record<string, unknown>>

/** A pre_tokenizer of tokenizer.json, as a list of steps. */
export interface PreTokenizer {
  readonly steps: readonly Step[]
  /** Whether whole pieces are looked up before merging. */
  readonly ignoreMerges: boolean
  readonly normalizer: Readonly<Record<string, unknown>> | null
}

const isolate = (regex: string): Step => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false })

const split = (digits: string): Step =>
  isolate(
    `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  )

/** Letters by case, as Tekken and o200k split them: `suffix` may follow each word. */
const cased = (suffix: string, digits: string): Step => {
  const [upper, lower] = ['\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}', '\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}']
  const start = '[^\\r\\n\\p{L}\\p{N}]?'
  return isolate(
    `${start}[${upper}]*[${lower}]+${suffix}|${start}[${upper}]+[${lower}]*${suffix}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  )
}

const DIGITS: Step = { type: 'Digits', individual_digits: true }
const DEEPSEEK_WORDS =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const byteLevel = (useRegex: boolean): Step => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})

/** Values of tokenizer.ggml.pre; the first is GPT-2's plain ByteLevel. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': { steps: [byteLevel(true)], ignoreMerges: false, normalizer: null },
  smollm: { steps: [DIGITS, byteLevel(true)], ignoreMerges: false, normalizer: null },
  'llama-bpe': { steps: [split('\\p{N}{1,3}'), byteLevel(false)], ignoreMerges: true, normalizer: null },
  qwen2: { steps: [split('\\p{N}'), byteLevel(false)], ignoreMerges: false, normalizer: { type: 'NFC' } },
  tekken: { steps: [cased('', '\\p{N}'), byteLevel(false)], ignoreMerges: true, normalizer: null },
  'gpt-4o': { steps: [cased("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", '\\p{N}{1,3}'), byteLevel(false)], ignoreMerges: false, normalizer: null },
  'deepseek-v3': {
    steps: [isolate('\\p{N}{1,3}'), isolate('[一-龥\u3040-ゟ゠-ヿ]+'), isolate(DEEPSEEK_WORDS), byteLevel(false)],
    ignoreMerges: false,
    normalizer: null,
  },
  'deepseek-coder': {
    steps: [
      ...[isolate('[\\r\\n]'), isolate('\\s?\\p{L}+'), isolate('\\s?\\p{P}+'), isolate('[一-龥ࠀ-一가-\ud7ff]+')],
      ...[DIGITS, byteLevel(false)],
    ],
    ignoreMerges: false,
    normalizer: null,
  },
}
