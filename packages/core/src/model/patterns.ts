import picomatch from 'picomatch'
import { expressionIn, isNegated, patternList, type Patterns } from './pattern-text.js'

export type { Patterns } from './pattern-text.js'

/** Names are no paths: * stands for dots and slashes too. */
const OPTIONS = { bash: true, dot: true, noextglob: true, windows: false } as const

const testOf = (pattern: string): ((name: string) => boolean) => {
  const expression = expressionIn(pattern)
  if (expression) return name => name === pattern || expression.test(name)
  const glob = picomatch(pattern, OPTIONS)
  return name => name === pattern || glob(name) // brackets in a name stand for themselves
}

/**
 * A test of names by patterns: `*` for any characters, `?` for one, `{a,b}` and `[a-c]` for one of several, `/…/` for a regular expression, `!`
 * before a pattern for all but those. A name is taken where one pattern takes it and none with `!` does; where all begin with `!`, those are
 * left out of what is `usual`.
 */
export const matcher = (patterns: Patterns): ((name: string, usual?: boolean) => boolean) => {
  const list = patternList(patterns)
  const taken = list.filter(each => !isNegated(each)).map(testOf)
  const left = list.filter(isNegated).map(each => testOf(each.slice(1)))
  return (name, usual = true) => (taken.length === 0 ? usual : taken.some(test => test(name))) && !left.some(test => test(name))
}
