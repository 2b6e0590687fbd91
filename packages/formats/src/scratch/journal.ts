import { badFile } from '../files/bad-file.js'
import { parseJson } from '../files/json-text.js'
import { isJournalRecord, type JournalRecord } from './journal-record.js'

/** Raised when an older run could not be gone on with. */
export const JOURNAL_VERSION = 1
/** Events of a million sites; a journal is read whole. */
export const MAX_JOURNAL_BYTES = 1 << 28
/** Record, events, event, lists within. */
const MAX_RECORD_DEPTH = 8

const CHECKSUM_LENGTH = 16

const checksumOf = (previous: string, json: string): string =>
  globalThis.process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(previous + json)
    .digest('hex')
    .slice(0, CHECKSUM_LENGTH)

/** A line and its checksum, which covers the one before: nothing can be changed, left out or put in unseen. */
export const encodeRecord = (record: JournalRecord, previous: string): { readonly line: string; readonly checksum: string } => {
  const json = JSON.stringify(record)
  const checksum = checksumOf(previous, json)
  return { line: `${checksum} ${json}\n`, checksum }
}

/** What is whole of a journal. */
export interface Journal {
  readonly records: readonly JournalRecord[]
  /** Its text up to the last whole record. */
  readonly text: string
  /** Of the last record. */
  readonly checksum: string
}

const isWhole = (line: string, previous: string): boolean =>
  line[CHECKSUM_LENGTH] === ' ' && line.slice(0, CHECKSUM_LENGTH) === checksumOf(previous, line.slice(CHECKSUM_LENGTH + 1))

const BEGIN_ANEW = 'Remove the folder and begin anew.'

const parseRecord = (line: string, path: string, index: number): JournalRecord => {
  const value = parseJson(line.slice(CHECKSUM_LENGTH + 1), path, MAX_RECORD_DEPTH)
  if (isJournalRecord(value)) return value
  throw badFile(`Record ${index + 1} of ${path} is none that a run writes.`, BEGIN_ANEW, { path, record: index + 1 })
}

/** Reads a journal. A last record that is not whole was torn by the kill and does not count; throws BAD_FILE for an earlier one. */
export const parseJournal = (text: string, path: string): Journal => {
  const lines = text.split('\n')
  const torn = lines.pop()
  const records: JournalRecord[] = []
  let checksum = ''
  let length = 0
  for (const [index, line] of lines.entries()) {
    if (!isWhole(line, checksum)) {
      if (index === lines.length - 1 && torn === '') break
      throw badFile(`Record ${index + 1} of ${path} is damaged.`, BEGIN_ANEW, { path, record: index + 1 })
    }
    records.push(parseRecord(line, path, index))
    checksum = line.slice(0, CHECKSUM_LENGTH)
    length += line.length + 1
  }
  return { records, text: text.slice(0, length), checksum }
}
