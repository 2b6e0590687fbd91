/** Names by a pattern, or by a list of them. */
export type Patterns = string | readonly string[]

/** `/…/` or `/…/i`. */
const EXPRESSION = /^\/(.+)\/(i?)$/

export const patternList = (patterns: Patterns): readonly string[] => (typeof patterns === 'string' ? [patterns] : patterns)

export const isNegated = (pattern: string): boolean => pattern.startsWith('!')

/** The regular expression that a pattern is; undefined for one of another kind. Throws SyntaxError. */
export const expressionIn = (pattern: string): RegExp | undefined => {
  const found = EXPRESSION.exec(pattern)
  return found ? new RegExp(found[1], found[2]) : undefined
}

/** Why a pattern cannot be read; undefined where it can. */
export const whyNoPattern = (patterns: Patterns): string | undefined => {
  for (const pattern of patternList(patterns)) {
    const text = isNegated(pattern) ? pattern.slice(1) : pattern
    if (text === '') return `"${pattern}" names nothing`
    try {
      expressionIn(text)
    } catch (cause) {
      return (cause as Error).message
    }
  }
  return undefined
}
