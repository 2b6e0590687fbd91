import type { Fingerprint, ProgressEvent } from '@tersor/core'
import { isRecord, type Json } from '../files/json-text.js'

/** A unit that is on the disk for good. */
export interface UnitRecord {
  readonly kind: 'unit'
  readonly unit: string
  readonly bytes: number
  /** Of the whole file, hexadecimal. */
  readonly sha256: string
  readonly events: readonly ProgressEvent[]
}

/** One line of a journal. */
export type JournalRecord =
  | { readonly kind: 'begin'; readonly version: number; readonly fingerprint: Fingerprint }
  | UnitRecord
  | { readonly kind: 'publishing' | 'published' }

type Is = (value: unknown) => boolean

const text: Is = value => typeof value === 'string'
/** JSON has no NaN: an error that is none comes back as null. */
const number: Is = value => typeof value === 'number' || value === null
const count: Is = value => Number.isSafeInteger(value) && (value as number) >= 0
const textOrNothing: Is = value => value === undefined || text(value)

/** What the events of a run hold, by type. */
const EVENTS: Readonly<Record<ProgressEvent['type'], Readonly<Record<string, Is>>>> = {
  pass: { pass: text, index: count, of: count },
  stage: { pass: text, stage: text, index: count, of: count },
  resumed: { pass: text, stage: text, index: count, of: count },
  calibrated: { pass: text, stage: text, batch: count },
  compressed: { pass: text, site: text, before: count, after: count, error: number },
  changed: { pass: text, parameter: text },
  warning: { pass: text, site: textOrNothing, message: text },
  trained: { pass: text, step: count, of: count, loss: number, norm: number },
}

const fits = (value: Json, fields: Readonly<Record<string, Is>>): boolean => Object.entries(fields).every(([field, is]) => is(value[field]))

const isEvent: Is = value =>
  isRecord(value) && Object.hasOwn(EVENTS, String(value.type)) && fits(value, EVENTS[value.type as ProgressEvent['type']])

/** A unit's name becomes that of a file in the folder. */
const isUnitName: Is = value => typeof value === 'string' && /^\w[\w.-]*$/.test(value)

/** What the records of a journal hold, by kind. */
const RECORDS: Readonly<Record<JournalRecord['kind'], Readonly<Record<string, Is>>>> = {
  begin: { version: count, fingerprint: value => isRecord(value) && Object.values(value).every(text) },
  unit: {
    unit: isUnitName,
    bytes: count,
    sha256: value => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
    events: value => Array.isArray(value) && value.every(isEvent),
  },
  publishing: {},
  published: {},
}

/** Whether a value is a record with all that going on with a run will ask for. */
export const isJournalRecord = (value: unknown): value is JournalRecord =>
  isRecord(value) && Object.hasOwn(RECORDS, String(value.kind)) && fits(value, RECORDS[value.kind as JournalRecord['kind']])
