type Step = Readonly<Record<string, unknown>>

const split = (regex: string, behavior: 'Isolated' | 'Removed', invert = false): Step => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior,
  invert,
})

/** What \w is to the tokenizers of Hugging Face. */
const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}'
/** All that is punctuation in Unicode or in ASCII. */
const MARK = '[\\p{P}\\u0021-\\u002F\\u003A-\\u0040\\u005B-\\u0060\\u007B-\\u007E]'

/** Splits at matches of a regular expression, by what becomes of these; each gives pieces of the text in order. */
const BEHAVIORS: Readonly<Record<string, (regex: string) => Step>> = {
  Isolated: regex => split(regex, 'Isolated'),
  Contiguous: regex => split(`(?:${regex})+`, 'Isolated'),
  Removed: regex => split(regex, 'Removed'),
  MergedWithPrevious: regex => split(`(?:(?!${regex})[\\s\\S])*(?:${regex})|(?:(?!${regex})[\\s\\S])+`, 'Removed', true),
  MergedWithNext: regex => split(`(?:${regex})(?:(?!${regex})[\\s\\S])*|(?:(?!${regex})[\\s\\S])+`, 'Removed', true),
}

const splitAt = (regex: string, behavior: unknown, otherwise: Step): Step =>
  Object.hasOwn(BEHAVIORS, String(behavior)) ? BEHAVIORS[String(behavior)](regex) : otherwise

/** The regular expression of a Split, be it one or a text. */
const regexOf = ({ pattern }: Step): string | undefined => {
  const { Regex: regex, String: text } = (pattern ?? {}) as { readonly Regex?: unknown; readonly String?: unknown }
  if (typeof regex === 'string') return `(?:${regex})`
  return typeof text === 'string' ? text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&') : undefined
}

/** Behaviors that the library takes for Isolated. */
const MERGES: readonly unknown[] = ['Contiguous', 'MergedWithPrevious', 'MergedWithNext']

/** Steps that the JavaScript library takes for less than they are, as steps that it takes as they are. */
const EXACT: Readonly<Record<string, (step: Step) => Step>> = {
  // it takes 0 to 9 alone for digits; ½, ² and ٣ are some too
  Digits: ({ individual_digits: each }) => split(each === true ? '\\p{N}' : '\\p{N}+', 'Isolated'),
  // it takes a to z, 0 to 9 and _ alone for words
  Whitespace: () => split(`[${WORD}]+|[^${WORD}\\p{White_Space}]+`, 'Removed', true),
  // it keeps marks that follow each other together, whatever is asked for
  Punctuation: step => splitAt(MARK, step.behavior ?? 'Isolated', step),
  Split: step => {
    const regex = step.invert === true || !MERGES.includes(step.behavior) ? undefined : regexOf(step)
    return regex ? splitAt(regex, step.behavior, step) : step
  },
  Sequence: step => ({
    ...step,
    pretokenizers: (Array.isArray(step.pretokenizers) ? (step.pretokenizers as unknown[]) : []).map(exactStep),
  }),
}

const isStep = (value: unknown): value is Step & { readonly type: string } =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string'

/** A pre_tokenizer of tokenizer.json that the library runs as the tokenizers of Hugging Face run the one given. */
export const exactStep = (step: unknown): unknown => (isStep(step) && Object.hasOwn(EXACT, step.type) ? EXACT[step.type](step) : step)
