import { encodeRecord, parseJournal, type JournalRecord } from './journal.js'

const RECORDS: readonly JournalRecord[] = [
  { kind: 'begin', version: 1, fingerprint: { seed: '1' } },
  { kind: 'unit', unit: '0-0', bytes: 8, sha256: 'ab', events: [{ type: 'warning', pass: 'ü', message: 'a\nb' }] },
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
