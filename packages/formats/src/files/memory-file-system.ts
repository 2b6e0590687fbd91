import { CompressionError } from '@tersor/tensor'
import type { FileSystem, OpenFile } from './file-system.js'
import { memoryPages, type MemoryPages } from './memory-pages.js'

/** What a file may be made of: a Blob, such as a File that was dropped on a page, is read by range when it is asked for. */
export type FileContent = Blob | Uint8Array

/** Files without a disk. */
export interface MemoryFileSystem extends FileSystem {
  /** Puts a file in its place, with the folders above it. Throws BAD_OPTION where a folder stands there, or a file above it. */
  put(path: string, content: FileContent): void
  /** A file as a Blob. What was written is handed over to it: the browser keeps large ones on its disk. Throws NOT_FOUND. */
  blob(path: string): Blob
  /** The paths of all files, in order. */
  paths(): readonly string[]
}

interface File {
  readonly id: number
  content: Blob | MemoryPages
}
interface Folder {
  readonly id: number
  readonly entries: Map<string, Entry>
}
type Entry = File | Folder

const isFolder = (entry: Entry | undefined): entry is Folder => entry !== undefined && 'entries' in entry
const isBlob = (content: File['content']): content is Blob => content instanceof Blob

const segmentsOf = (path: string): readonly string[] => path.split(/[/\\]/).filter(part => part !== '' && part !== '.')

const MEANINGS = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
} as const

/** An error as Node's, which the writers know how to put into words. */
const systemError = (code: keyof typeof MEANINGS, path: string): Error =>
  Object.assign(new Error(`${code}: ${MEANINGS[code]}, '${path}'`), { code })

const readFrom = async (content: File['content'], room: Uint8Array, position: number): Promise<number> => {
  if (!isBlob(content)) return content.read(room, position)
  const bytes = new Uint8Array(await content.slice(position, position + room.byteLength).arrayBuffer())
  room.set(bytes)
  return bytes.byteLength
}

const openFile = (file: File): OpenFile => ({
  read: async (buffer, offset, length, position) => ({
    bytesRead: await readFrom(file.content, buffer.subarray(offset, offset + length), position),
  }),
  write: async (buffer, offset, length, position) => {
    if (isBlob(file.content)) throw systemError('EEXIST', 'a Blob')
    file.content.write(buffer.subarray(offset, offset + length), position)
    return { bytesWritten: length }
  },
  stat: async () => ({ size: file.content.size }),
  close: async () => {},
})

/** The folders and files of one file system, found by their paths. */
const tree = () => {
  let ids = 0
  const root: Folder = { id: ids++, entries: new Map() }
  const find = (path: string): Entry | undefined =>
    segmentsOf(path).reduce<Entry | undefined>((at, name) => (isFolder(at) ? at.entries.get(name) : undefined), root)
  const existing = (path: string): Entry => {
    const entry = find(path)
    if (entry) return entry
    throw systemError('ENOENT', path)
  }
  /** The folder that a path lies in, and its name there. */
  const placeOf = (path: string): { readonly entries: Map<string, Entry>; readonly name: string } => {
    const parts = segmentsOf(path)
    const folder = existing(parts.slice(0, -1).join('/'))
    if (!isFolder(folder)) throw systemError('ENOTDIR', path)
    return { entries: folder.entries, name: parts.at(-1) ?? '' }
  }
  return { root, find, existing, placeOf, nextId: () => ids++ }
}

const pathsWithin = ({ entries }: Folder, above: string): readonly string[] =>
  [...entries].flatMap(([name, entry]) => (isFolder(entry) ? pathsWithin(entry, `${above}${name}/`) : [above + name]))

/**
 * A file system in memory: models are read from Blobs by range, and writers write into it where there is no disk, as in a page.
 * Paths are separated by slashes; one that begins with a slash is the same as one that does not.
 */
export const memoryFileSystem = (files: Readonly<Record<string, FileContent>> = {}): MemoryFileSystem => {
  const { root, find, existing, placeOf, nextId } = tree()
  const make = (path: string, entry: Entry): void => {
    const { entries, name } = placeOf(path)
    if (entries.has(name) || name === '') throw systemError('EEXIST', path)
    entries.set(name, entry)
  }
  const put: MemoryFileSystem['put'] = (path, content) => {
    const parts = segmentsOf(path)
    const above = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'))
    for (const folder of above) if (!find(folder)) make(folder, { id: nextId(), entries: new Map() })
    if (parts.length === 0 || isFolder(find(path)) || above.some(folder => !isFolder(find(folder))))
      throw new CompressionError('BAD_OPTION', `${path} cannot be a file here.`, 'Choose a path where no folder stands, and no file above it.', { path }) // prettier-ignore
    const { entries, name } = placeOf(path)
    entries.set(name, { id: nextId(), content: content instanceof Blob ? content : new Blob([content as Uint8Array<ArrayBuffer>]) })
  }
  for (const [path, content] of Object.entries(files)) put(path, content)
  const open: FileSystem['open'] = async (path, flags) => {
    if (flags === 'wx+') make(path, { id: nextId(), content: memoryPages() })
    const entry = existing(path)
    if (isFolder(entry)) throw systemError('EISDIR', path)
    return openFile(entry)
  }
  const rename: FileSystem['rename'] = async (from, to) => {
    const entry = existing(from)
    const [source, target] = [placeOf(from), placeOf(to)]
    const stands = target.entries.get(target.name)
    if (stands && stands !== entry && isFolder(stands) && (!isFolder(entry) || stands.entries.size > 0))
      throw systemError(isFolder(entry) ? 'ENOTEMPTY' : 'EISDIR', to)
    if (stands && !isFolder(stands) && isFolder(entry)) throw systemError('ENOTDIR', to)
    source.entries.delete(source.name)
    target.entries.set(target.name, entry)
  }
  return Object.freeze({
    ...{ open, rename, put },
    stat: async (path: string) => {
      const entry = existing(path)
      return { isDirectory: () => isFolder(entry), ino: entry.id, birthtimeMs: 0 }
    },
    readdir: async (path: string) => {
      const entry = existing(path)
      if (isFolder(entry)) return [...entry.entries.keys()]
      throw systemError('ENOTDIR', path)
    },
    mkdir: async (path: string) => make(path, { id: nextId(), entries: new Map() }),
    rm: async (path: string) => {
      if (!find(path)) return
      const { entries, name } = placeOf(path)
      entries.delete(name)
    },
    blob: (path: string) => {
      const entry = find(path)
      if (!entry || isFolder(entry)) throw new CompressionError('NOT_FOUND', `There is no file ${path}.`, 'Check the path.', { path })
      if (!isBlob(entry.content)) entry.content = new Blob([...entry.content.pieces()])
      return entry.content
    },
    paths: () => [...pathsWithin(root, '')].sort(),
  })
}
