import { codesOf, DTYPES, sizeOf, toInt32, type Dense, type Parameter, type Shape } from '@tersor/tensor'
import { matrixShape } from './groups.js'

export type Parts = Readonly<Record<string, Parameter>>

/** What is wrong, in words; undefined where nothing is. */
export type Finding = string | undefined

const list = (shape: Shape): string => `[${shape.join(', ')}]`

/** The first that finds something speaks: later checks may rely on what earlier ones made sure of. */
export const firstOf = (...checks: readonly (() => Finding)[]): Finding => {
  for (const check of checks) {
    const finding = check()
    if (finding !== undefined) return finding
  }
  return undefined
}

/** All parts that a codec needs, and none that it does not know. */
export const partsAre = (parts: Parts, needed: readonly string[], optional: readonly string[] = []): Finding => {
  const missing = needed.find(name => !Object.hasOwn(parts, name))
  if (missing !== undefined) return `there is no ${missing}`
  const stranger = Object.keys(parts).find(name => !needed.includes(name) && !optional.includes(name))
  return stranger === undefined ? undefined : `there is a part ${JSON.stringify(stranger)}, which the codec does not have`
}

const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((extent, axis) => extent === b[axis])

/** A part of one of some shapes; one that is absent fits. */
export const shapeIs = (name: string, part: Parameter | undefined, ...allowed: readonly Shape[]): Finding =>
  part === undefined || allowed.some(shape => same(part.shape, shape))
    ? undefined
    : `the ${name} is ${list(part.shape)}, expected ${[...new Set(allowed.map(list))].join(' or ')}`

/** A part of as many numbers as a shape, whose axes do not matter. */
export const sizeIs = (name: string, part: Parameter, shape: Shape): Finding =>
  sizeOf(part.shape) === sizeOf(shape) ? undefined : `the ${name} is ${list(part.shape)}, and the whole ${list(shape)}`

/** Plain unsigned codes of some widths. */
export const codesAre = (name: string, part: Parameter, widths: readonly number[]): Finding => {
  if (part.kind !== 'dense') return `the ${name} is ${part.codec.name}, expected plain codes`
  const { bits, kind } = DTYPES[part.dtype]
  if (kind === 'unsigned' && widths.includes(bits)) return undefined
  return `the ${name} is ${part.dtype}, expected ${widths.map(width => `u${width}`).join(', ')}`
}

/** Numbers that are computed with: floats, or a tree. */
export const floatsAre = (name: string, part: Parameter | undefined): Finding =>
  part?.kind === 'dense' && DTYPES[part.dtype].kind !== 'float' ? `the ${name} is ${part.dtype}, expected floats` : undefined

/** A whole number within bounds. */
export const wholeIs = (name: string, value: unknown, from: number, to: number): Finding =>
  Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to
    ? undefined
    : `${name} is ${JSON.stringify(value) ?? 'missing'}, expected a whole number from ${from}${to === Infinity ? '' : ` to ${to}`}`

/** What each run of `group` columns has: (rows or 1, groups). */
export const runsAre = (name: string, part: Parameter | undefined, shape: Shape, group: number): Finding => {
  const [rows, columns] = matrixShape(shape)
  const groups = Math.ceil(columns / group)
  return shapeIs(name, part, [rows, groups], [1, groups])
}

/** No code beyond the last level. */
export const codesBelow = (name: string, part: Dense, levels: number): Finding => {
  if (2 ** DTYPES[part.dtype].bits <= levels) return undefined
  const beyond = codesOf(part).find(code => code >= levels)
  return beyond === undefined ? undefined : `the ${name} has the code ${beyond}, and there are ${levels} levels`
}

/** Each of 0 … count − 1 once. */
export const permutationIs = (name: string, part: Parameter, count: number): Finding => {
  if (part.kind !== 'dense' || part.dtype !== 'i32') return `the ${name} is ${part.kind === 'dense' ? part.dtype : 'a tree'}, expected i32`
  const seen = new Uint8Array(count)
  for (const place of toInt32(part)) if (place >= 0 && place < count) seen[place] = 1
  return seen.includes(0) ? `the ${name} names not each of ${count} columns once` : undefined
}
