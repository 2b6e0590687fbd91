import { badFile } from './bad-file.js'

/** An object of a JSON file. */
export type Json = Readonly<Record<string, unknown>>

interface Outline {
  readonly depth: number
  /** Where the keys of the outermost object start and end, quotes included. */
  readonly keys: readonly (readonly [start: number, end: number])[]
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPENING = new Set([0x7b, 0x5b])
const CLOSING = new Set([0x7d, 0x5d])

const endOfString = (text: string, start: number): number => {
  let at = start + 1
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at
}

/** Nesting and outermost keys in one pass without allocation per value; stops as soon as the limit is passed. */
const outline = (text: string, maxDepth: number): Outline => {
  const keys: [number, number][] = []
  let depth = 0
  let deepest = 0
  let lastString: [number, number] = [0, 0]
  for (let at = 0; at < text.length && deepest <= maxDepth; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      if (depth === 1) lastString = [at, end + 1]
      at = end
    } else if (OPENING.has(code)) deepest = Math.max(deepest, ++depth)
    else if (CLOSING.has(code)) depth--
    else if (code === COLON && depth === 1) keys.push(lastString)
  }
  return { depth: deepest, keys }
}

const firstRepeated = (keys: readonly string[]): string | undefined => {
  const seen = new Set<string>()
  return keys.find(key => seen.size === seen.add(key).size)
}

/**
 * Parses JSON that a file brought along: nesting is checked before anything is built, and no key may come twice.
 * Throws BAD_FILE, naming `what`.
 */
export const parseJson = (text: string, what: string, maxDepth: number): unknown => {
  const { depth, keys } = outline(text, maxDepth)
  if (depth > maxDepth)
    throw badFile(`${what} nests deeper than ${maxDepth} levels.`, 'No writer makes this: get the file again.', { maxDepth })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw badFile(`${what} is not JSON: ${(cause as Error).message}.`, undefined, {}, cause)
  }
  if (isRecord(value) && Object.keys(value).length < keys.length) {
    const name = firstRepeated(keys.map(([start, end]) => JSON.parse(text.slice(start, end)) as string))
    throw badFile(`${what} has "${name}" twice.`, 'Names must differ: write the file again.', { name })
  }
  return value
}

/** Decodes UTF-8 strictly. Throws BAD_FILE, naming `what`. */
export const parseText = (bytes: Uint8Array, what: string): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw badFile(`${what} is not UTF-8 text.`, undefined, {}, cause)
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a value is a list of counts: safe integers, none negative. */
export const isCounts = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every(count => Number.isSafeInteger(count) && count >= 0)
