import { encodeRecord, parseJournal } from './journal.js'
import type { JournalRecord } from './journal-record.js'

const RECORDS: readonly JournalRecord[] = [
  { kind: 'begin', version: 1, fingerprint: { seed: '1' } },
  { kind: 'unit', unit: '0-0', bytes: 8, sha256: 'ab'.repeat(32), events: [{ type: 'warning', pass: 'ü', message: 'a\nb' }] },
  { kind: 'publishing' },
]

const write = (records: readonly JournalRecord[]): string => {
  let last = ''
  return records
    .map(record => {
      const { line, checksum } = encodeRecord(record, last)
      last = checksum
      return line
    })
    .join('')
}

const text = write(RECORDS)
const lines = text.split('\n')

it('reads what it wrote', () => {
  expect(parseJournal(text, 'journal')).toMatchObject({ records: RECORDS, text })
  expect(parseJournal('', 'journal')).toEqual({ records: [], text: '', checksum: '' })
})

it('forgets a last record that was torn at any character, and goes on behind the one before', () => {
  const before = text.length - lines[2].length - 1
  for (let length = before; length < text.length; length++) {
    const journal = parseJournal(text.slice(0, length), 'journal')
    expect(journal.records).toEqual(RECORDS.slice(0, 2))
    const next = journal.text + encodeRecord(RECORDS[2], journal.checksum).line
    expect(next).toBe(text)
  }
})

it('forgets a last record with an altered byte, as a disk leaves it that lost its power', () => {
  const altered = `${text.slice(0, -5)}\0${text.slice(-4)}`
  expect(parseJournal(altered, 'journal').records).toEqual(RECORDS.slice(0, 2))
})

it.each([
  ['an altered byte', text.replace('"bytes":8', '"bytes":9'), 2],
  ['an altered checksum', `${text.startsWith('0') ? '1' : '0'}${text.slice(1)}`, 1],
  ['a record left out', [lines[0], lines[2], ''].join('\n') + 'x', 2],
  ['records of another order', [lines[1], lines[0], lines[2], ''].join('\n'), 1],
])('refuses %s before the last record', (_name, damaged, record) => {
  expect(() => parseJournal(damaged, 'journal')).toThrow(`Record ${record} of journal is damaged.\nRemove the folder and begin anew.`)
})

const unit = { kind: 'unit', unit: '0-0', bytes: 8, sha256: 'ab'.repeat(32), events: [] }

it.each([
  ['no object', 3],
  ['no kind', { kind: 'toString' }],
  ['a beginning without a fingerprint', { kind: 'begin', version: 1 }],
  ['a fingerprint of numbers', { kind: 'begin', version: 1, fingerprint: { seed: 1 } }],
  ['a unit without events', { ...unit, events: undefined }],
  ['events that are no list', { ...unit, events: { length: 1 } }],
  ['an event of no type', { ...unit, events: [{ type: 'done', pass: 'x' }] }],
  ['an event without its site', { ...unit, events: [{ type: 'compressed', pass: 'x', before: 1, after: 1, error: 0 }] }],
  ['a unit whose name leads elsewhere', { ...unit, unit: '../../x' }],
  ['a unit without bytes', { ...unit, bytes: -1 }],
  ['a digest that is none', { ...unit, sha256: 'zz' }],
])('refuses %s, whose checksum is right', (_name, record) => {
  const both = write([RECORDS[0], record as unknown as JournalRecord])
  expect(() => parseJournal(both, 'journal')).toThrow(
    expect.objectContaining({
      code: 'BAD_FILE',
      message: 'Record 2 of journal is none that a run writes.\nRemove the folder and begin anew.',
    }),
  )
})

it('reads every event that a run reports, an error that is no number too', () => {
  const [pass, place] = [{ pass: 'rtn' }, { stage: 'a', index: 0, of: 1 }]
  const events = [
    { type: 'pass', ...pass, index: 0, of: 1 },
    { type: 'stage', ...pass, ...place },
    { type: 'resumed', ...pass, ...place },
    { type: 'calibrated', ...pass, stage: 'a', batch: 0 },
    { type: 'compressed', ...pass, site: 'q', before: 8, after: 4, error: NaN },
    { type: 'changed', ...pass, parameter: 'norm' },
    { type: 'warning', ...pass, message: 'm' },
    { type: 'trained', ...pass, step: 0, of: 1, loss: 0.5, norm: 1 },
  ] as const
  const text = write([RECORDS[0], { ...unit, events } as unknown as JournalRecord])
  expect(parseJournal(text, 'journal').records[1]).toMatchObject({
    events: [...events.slice(0, 4), { type: 'compressed', error: null }, ...events.slice(5)],
  })
})
