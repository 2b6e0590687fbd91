/** A pre_tokenizer of tokenizer.json, as a list of steps. */
export interface PreTokenizer {
  readonly steps: readonly Readonly<Record<string, unknown>>[]
  /** Whether whole pieces are looked up before merging. */
  readonly ignoreMerges: boolean
  readonly normalizer: Readonly<Record<string, unknown>> | null
}

const split = (digits: string): Readonly<Record<string, unknown>> => ({
  type: 'Split',
  pattern: {
    Regex: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  },
  behavior: 'Isolated',
  invert: false,
})
const byteLevel = (useRegex: boolean): Readonly<Record<string, unknown>> => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
})

/** Values of tokenizer.ggml.pre; the first is GPT-2's plain ByteLevel. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  'gpt-2': { steps: [byteLevel(true)], ignoreMerges: false, normalizer: null },
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevel(true)], ignoreMerges: false, normalizer: null },
  'llama-bpe': { steps: [split('\\p{N}{1,3}'), byteLevel(false)], ignoreMerges: true, normalizer: null },
  qwen2: { steps: [split('\\p{N}'), byteLevel(false)], ignoreMerges: false, normalizer: { type: 'NFC' } },
}
