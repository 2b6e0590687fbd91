import picomatch from 'picomatch'

/** Names by a pattern, or by a list of them. */
export type Patterns = string | readonly string[]

/** `/…/` or `/…/i`. */
const EXPRESSION = /^\/(.+)\/(i?)$/
/** Names are no paths: * stands for dots and slashes too. */
const OPTIONS = { bash: true, dot: true, noextglob: true, windows: false } as const

const listOf = (patterns: Patterns): readonly string[] => (typeof patterns === 'string' ? [patterns] : patterns)

const isNegated = (pattern: string): boolean => pattern.startsWith('!')

const testOf = (pattern: string): ((name: string) => boolean) => {
  const expression = EXPRESSION.exec(pattern)
  if (expression) {
    const regular = new RegExp(expression[1], expression[2])
    return name => name === pattern || regular.test(name)
  }
  const glob = picomatch(pattern, OPTIONS)
  return name => name === pattern || glob(name) // brackets in a name stand for themselves
}

/** Why a pattern cannot be read; undefined where it can. */
export const whyNoPattern = (patterns: Patterns): string | undefined => {
  for (const pattern of listOf(patterns)) {
    const text = isNegated(pattern) ? pattern.slice(1) : pattern
    if (text === '') return `"${pattern}" names nothing`
    try {
      testOf(text)
    } catch (cause) {
      return (cause as Error).message
    }
  }
  return undefined
}

/**
 * A test of names by patterns: `*` for any characters, `?` for one, `{a,b}` and `[a-c]` for one of several, `/…/` for a regular expression, `!`
 * before a pattern for all but those. A name is taken where one pattern takes it and none with `!` does; where all begin with `!`, those are
 * left out of what is `usual`.
 */
export const matcher = (patterns: Patterns): ((name: string, usual?: boolean) => boolean) => {
  const list = listOf(patterns)
  const taken = list.filter(each => !isNegated(each)).map(testOf)
  const left = list.filter(isNegated).map(each => testOf(each.slice(1)))
  return (name, usual = true) => (taken.length === 0 ? usual : taken.some(test => test(name))) && !left.some(test => test(name))
}
