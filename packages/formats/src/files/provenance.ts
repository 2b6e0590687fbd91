import type { Provenance } from '@tersor/core'
import { badFile } from './bad-file.js'
import { isRecord, parseJson } from './json-text.js'

/** Options of a step may hold calls and lists of them. */
const MAX_PROVENANCE_DEPTH = 64

const isProvenance = (value: unknown): value is Provenance =>
  isRecord(value) &&
  typeof value.method === 'string' &&
  isRecord(value.options) &&
  typeof value.seed === 'number' &&
  typeof value.version === 'string'

/** Checks a list of steps, which `what` holds; throws BAD_FILE. */
export const checkProvenance = (value: unknown, what: string): readonly Provenance[] => {
  if (Array.isArray(value) && value.every(isProvenance)) return value
  throw badFile(`${what} has a provenance that is no list of steps.`)
}

/** A list of steps from JSON; empty where there is none. Throws BAD_FILE. */
export const parseProvenance = (text: unknown, what: string): readonly Provenance[] =>
  text === undefined ? [] : checkProvenance(typeof text === 'string' ? parseJson(text, what, MAX_PROVENANCE_DEPTH) : text, what)
