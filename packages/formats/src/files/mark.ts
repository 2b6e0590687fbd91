import { VERSION } from '@tersor/core/version'
import { CompressionError } from '@tersor/tensor'
import { readSmallFile } from './byte-source.js'
import { exists, fileNames, nameOf, within, writeFile, type FileSystem } from './file-system.js'
import { isRecord, parseJson } from './json-text.js'

/** What files of ours say of themselves, near their beginning or at their end: only they may be replaced. */
export const MARK = 'tersor.written'
/** What stands beside the mark where a format has room for it. */
export const MARK_VALUE = VERSION
/** The list of all files that were written into a folder. */
export const MARK_FILE = '.tersor.json'

const HEAD_BYTES = 65_536
const TAIL_BYTES = 64
const MOST_MARK_BYTES = 1 << 24

/** A mark for formats whose readers leave alone what stands behind the end. */
export const trailingMark = (): Uint8Array => new TextEncoder().encode(MARK)

const refusal = (path: string, what: string): CompressionError =>
  new CompressionError(
    'OUTPUT_EXISTS',
    `${path} ${what}.`,
    'Choose another path, or remove it yourself: only what Tersor wrote is replaced.',
    { path },
  )

const fileHasMark = async (fs: FileSystem, path: string): Promise<boolean> => {
  const file = await fs.open(path, 'r')
  try {
    const { size } = await file.stat()
    const piece = async (at: number, length: number): Promise<string> => {
      const bytes = new Uint8Array(length)
      const { bytesRead } = length > 0 ? await file.read(bytes, 0, length, at) : { bytesRead: 0 }
      return new TextDecoder('latin1').decode(bytes.subarray(0, bytesRead))
    }
    const tail = Math.min(size, TAIL_BYTES)
    return (await piece(0, Math.min(size, HEAD_BYTES))).includes(MARK) || (await piece(size - tail, tail)).includes(MARK)
  } finally {
    await file.close()
  }
}

/** The files that were written into a folder; undefined where it has no mark. */
const writtenFiles = async (fs: FileSystem, folder: string): Promise<ReadonlySet<string> | undefined> => {
  const path = within(folder, MARK_FILE)
  if (!(await exists(fs, path))) return undefined
  const mark = await readSmallFile(path, MOST_MARK_BYTES, fs)
    .then(bytes => parseJson(new TextDecoder().decode(bytes), MARK_FILE, 4))
    .catch(() => undefined)
  if (!isRecord(mark) || typeof mark[MARK] !== 'string' || !Array.isArray(mark.files)) return undefined
  return new Set([MARK_FILE, ...mark.files.map(String)])
}

/** Writes down beside the files of a finished folder which they are. */
export const markFolder = async (fs: FileSystem, folder: string): Promise<void> => {
  const files = await fileNames(fs, folder)
  const text = JSON.stringify({ [MARK]: MARK_VALUE, files: files.filter(name => name !== MARK_FILE) }, null, 2)
  await writeFile(fs, within(folder, MARK_FILE), new TextEncoder().encode(`${text}\n`))
}

/** Throws OUTPUT_EXISTS where something stands at the path that Tersor did not write, or a folder of ours with files of others. */
export const checkReplaceable = async (fs: FileSystem, path: string): Promise<void> => {
  if (!(await exists(fs, path))) return
  if (!(await fs.stat(path)).isDirectory()) {
    if (!(await fileHasMark(fs, path))) throw refusal(path, 'was not written by Tersor')
    return
  }
  const names = await fileNames(fs, path)
  const ours = await writtenFiles(fs, path)
  // An empty folder holds nothing that could be lost.
  if (!ours && names.length > 0) throw refusal(path, `was not written by Tersor; it holds ${names.slice(0, 3).map(nameOf).join(', ')}`)
  const others = names.filter(name => !ours?.has(name))
  if (others.length > 0) throw refusal(path, `holds ${others.slice(0, 3).join(', ')}, which Tersor did not write`)
}
