import type { Provenance } from '@tersor/core'
import { badFile } from '../files/bad-file.js'
import { isRecord, parseJson } from '../files/json-text.js'
import { checkProvenance } from '../files/provenance.js'
import { MAX_TREE_DEPTH } from './tree.js'

/** The key of __metadata__ that holds what Tersor knows beyond tensors. */
export const RECORD_KEY = 'tersor'
/** Raised when readers of older versions would misread. */
export const RECORD_VERSION = 1

export interface TersorRecord {
  /** By parameter name, unchecked. */
  readonly trees: Readonly<Record<string, unknown>>
  readonly provenance: readonly Provenance[]
}

const EMPTY: TersorRecord = Object.freeze({ trees: {}, provenance: [] })

/** The record of a file's metadata; empty for files of other tools. Throws BAD_FILE, also for a later version. */
export const parseRecord = (metadata: Readonly<Record<string, string>>): TersorRecord => {
  const text = metadata[RECORD_KEY]
  if (text === undefined) return EMPTY
  const what = `__metadata__.${RECORD_KEY}`
  // Two levels for the record itself, two for each level of a tree, one for lists within.
  const record = parseJson(text, what, 2 + 2 * MAX_TREE_DEPTH + 1)
  if (!isRecord(record)) throw badFile(`${what} is not an object.`)
  const { version, trees, provenance = [] } = record
  if (version !== RECORD_VERSION)
    throw badFile(
      `${what} has version ${JSON.stringify(version)}; this package reads ${RECORD_VERSION}.`,
      'Update @tersor/formats, or get the file again.',
    )
  if (!isRecord(trees)) throw badFile(`${what} has no trees.`)
  return { trees, provenance: checkProvenance(provenance, what) }
}

export const recordToText = (record: TersorRecord): string => JSON.stringify({ version: RECORD_VERSION, ...record })
