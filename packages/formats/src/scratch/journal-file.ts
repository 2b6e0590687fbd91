import { readSmallFile } from '../files/byte-source.js'
import { exists, within, writeFully, type FileSystem, type OpenFile } from '../files/file-system.js'
import { encodeRecord, MAX_JOURNAL_BYTES, parseJournal, type Journal } from './journal.js'
import type { JournalRecord } from './journal-record.js'

export const JOURNAL = 'journal'

/** The journal of a folder; undefined where there is none. Throws BAD_FILE. */
export const readJournal = async (fs: FileSystem, folder: string): Promise<Journal | undefined> => {
  const path = within(folder, JOURNAL)
  if (!(await exists(fs, path))) return undefined
  return parseJournal(new TextDecoder().decode(await readSmallFile(path, MAX_JOURNAL_BYTES, fs)), path)
}

/** The end of a journal, to which records are added. */
export interface Pen {
  add(record: JournalRecord): Promise<void>
  close(): Promise<void>
}

/** Writes what is whole of a journal anew, which cuts a torn record off, and goes on behind it. */
export const openPen = async (fs: FileSystem, folder: string, { text, checksum }: Pick<Journal, 'text' | 'checksum'>): Promise<Pen> => {
  const path = within(folder, JOURNAL)
  const file: OpenFile = await fs.open(`${path}.new`, 'wx+')
  let last = checksum
  let end = 0
  const append = async (line: string): Promise<void> => {
    const bytes = new TextEncoder().encode(line)
    await writeFully(file, bytes, end)
    await file.sync?.()
    end += bytes.byteLength
  }
  try {
    await append(text)
    await fs.rename(`${path}.new`, path)
  } catch (error) {
    await file.close()
    throw error
  }
  return {
    add: async record => {
      const next = encodeRecord(record, last)
      await append(next.line)
      last = next.checksum
    },
    close: () => file.close(),
  }
}
