import { distance } from 'fastest-levenshtein'

/** A name without what people write in different ways: case, dashes, dots, underscores, spaces. */
const plainName = (name: string): string => name.toLowerCase().replace(/[-_.\s]/g, '')

/** The name that is meant: itself, or the one that differs in case, dashes and underscores alone; undefined where there is none, or several. */
export const sameName = <T extends string>(given: string, names: readonly T[]): T | undefined => {
  const exact = names.find(name => name === given)
  if (exact !== undefined) return exact
  const alike = names.filter(name => plainName(name) === plainName(given))
  return alike.length === 1 ? alike[0] : undefined
}

/** Letters that may be wrong: half of them, at least one and at most three; two that changed places are two. */
const wrongLetters = (name: string): number => Math.min(3, Math.max(1, Math.floor(name.length / 2)))

/** The name that comes closest, by letters that differ or by how it begins; undefined where none is near. */
export const nearestName = (given: string, names: readonly string[]): string | undefined => {
  const wanted = plainName(given)
  const ranked = names.map(name => ({ name, apart: distance(wanted, plainName(name)) })).sort((a, b) => a.apart - b.apart)
  const [first] = ranked
  if (first && first.apart <= wrongLetters(wanted)) return first.name
  return wanted.length < 3 ? undefined : names.find(name => plainName(name).startsWith(wanted))
}

/** "Did you mean gptq? " or nothing, to stand before what else is to be said. */
export const didYouMean = (given: string, names: readonly string[], show: (name: string) => string = name => name): string => {
  const near = nearestName(given, names)
  return near === undefined ? '' : `Did you mean ${show(near)}? `
}
