import { CompressionError } from '@tersor/tensor'

/** The part of an open file that is used; node's FileHandle has it. */
export interface OpenFile {
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesWritten: number }>
  stat(): Promise<{ readonly size: number }>
  /** Waits until what was written is on the disk for good. */
  sync?(): Promise<void>
  close(): Promise<void>
}

/** The part of a file system that is used; node:fs/promises has it. Pass another one to store elsewhere or to test failures. */
export interface FileSystem {
  open(path: string, flags: 'r' | 'wx+'): Promise<OpenFile>
  /** Where a system numbers its files, the number and the moment of birth tell one from another that took its place. */
  stat(path: string): Promise<{ isDirectory(): boolean; readonly ino?: number; readonly birthtimeMs?: number }>
  readdir(path: string): Promise<string[]>
  mkdir(path: string): Promise<unknown>
  rename(from: string, to: string): Promise<void>
  rm(path: string, options: { readonly recursive: true; readonly force: true }): Promise<void>
}

/** The file system of Node; throws UNSUPPORTED where there is none. Looked up late, so that browsers can load this module. */
export const nodeFileSystem = (): FileSystem => {
  const lookUp = globalThis.process?.getBuiltinModule as ((name: 'node:fs/promises') => FileSystem) | undefined
  if (lookUp) return lookUp('node:fs/promises')
  throw new CompressionError('UNSUPPORTED', 'There is no file system here.', 'Pass a Blob instead of a path.')
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space on the disk, or choose another folder.',
  EDQUOT: 'Free some of your quota, or choose another folder.',
  EROFS: 'The disk is read-only: choose another folder.',
  EACCES: 'Check the permissions of the folder, or choose another one.',
  EPERM: 'Check the permissions of the folder, or choose another one.',
}

/** What the codes of a system's errors look like: ENOSPC, not ERR_INVALID_ARG_TYPE nor a code of ours. */
const SYSTEM_CODE = /^E[A-Z0-9]+$/

/** The error of a failed operation: NOT_FOUND for a path that is not there, DISK for other system errors, anything else as it is. */
export const diskError = (path: string, cause: unknown): unknown => {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: string }
  if (code === 'ERR_INVALID_ARG_VALUE')
    return new CompressionError(
      'NOT_FOUND',
      `${JSON.stringify(path)} is no path.`,
      'A path has no null bytes: check the name.',
      { path },
      cause,
    )
  if (typeof code !== 'string' || !SYSTEM_CODE.test(code)) return cause
  if (code === 'ENOENT') return new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, 'Check the path.', { path }, cause)
  return new CompressionError(
    'DISK',
    `${path}: ${message}.`,
    REMEDIES[code] ?? 'Check the disk, then try again.',
    { path, errno: code },
    cause,
  )
}

/** The folder above a path; the path itself at the root. */
const parentOf = (path: string): string => path.replace(/[/\\]+[^/\\]*$/, '') || '/'

/**
 * Makes a folder and those above it, one by one: Node's own recursive mkdir never ends where a folder that exists
 * says that it is not there, as those of /proc do.
 */
export const makeFolder = async (fs: FileSystem, path: string): Promise<void> => {
  const make = () => fs.mkdir(path).catch((cause: { code?: unknown }) => (cause.code === 'EEXIST' ? undefined : Promise.reject(cause)))
  try {
    await make()
  } catch (cause) {
    const parent = parentOf(path)
    if ((cause as { code?: unknown }).code !== 'ENOENT' || parent === path || !/[/\\]/.test(path)) throw cause
    await makeFolder(fs, parent)
    await make()
  }
}

/** Bytes moved at once: large enough for speed, small enough for any machine. */
const CHUNK_BYTES = 8 << 20

/** Fills the buffer from a position of the file; returns how much there was. */
export const readFully = async (file: OpenFile, buffer: Uint8Array, position: number, signal?: AbortSignal): Promise<number> => {
  let done = 0
  while (done < buffer.byteLength) {
    signal?.throwIfAborted()
    const { bytesRead } = await file.read(buffer, done, Math.min(CHUNK_BYTES, buffer.byteLength - done), position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Writes all bytes at a position of the file. */
export const writeFully = async (file: OpenFile, bytes: Uint8Array, position: number): Promise<void> => {
  let done = 0
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(CHUNK_BYTES, bytes.byteLength - done), position + done)
    done += bytesWritten
  }
}

/** Bytes after which the disk is asked to begin. */
const SYNC_AFTER_BYTES = 64 << 20

/** A file that goes to the disk while more of it is written: at the end there is less to wait for. Errors of the disk are told at the end. */
export const syncedAlong = (file: OpenFile): OpenFile => {
  let unsynced = 0
  let syncing: Promise<unknown> = Promise.resolve()
  return {
    read: (...place) => file.read(...place),
    write: async (...place) => {
      const written = await file.write(...place)
      unsynced += written.bytesWritten
      if (unsynced >= SYNC_AFTER_BYTES) {
        unsynced = 0
        syncing = syncing.then(() => file.sync?.()).catch(() => {})
      }
      return written
    },
    stat: () => file.stat(),
    sync: async () => {
      await syncing
      await file.sync?.()
    },
    close: async () => {
      await syncing
      await file.close()
    },
  }
}

/** Bytes that are copied at once: they stay in the caches between reading and writing. */
const PIECE_BYTES = 2 << 20

/** Bytes that lie somewhere, read in pieces. */
export interface Pieces {
  readonly bytes: number
  read(at: number, length: number, room: Uint8Array): Promise<Uint8Array>
}

/**
 * Gives what copies into a file: a piece is read while the one before is written, so that memory holds two.
 * `onBytes` sees every piece before it is written.
 */
export const copyPieces = (
  file: OpenFile,
  onBytes: (bytes: Uint8Array) => void = () => {},
): ((from: Pieces, to: number) => Promise<void>) => {
  let rooms: readonly Uint8Array[] = []
  return async ({ bytes, read }, to) => {
    const most = Math.min(PIECE_BYTES, bytes)
    if (!(rooms[0]?.byteLength >= most)) rooms = [new Uint8Array(most), new Uint8Array(most)]
    let writing: Promise<void> = Promise.resolve()
    try {
      for (let at = 0, turn = 0; at < bytes; at += PIECE_BYTES, turn ^= 1) {
        const piece = await read(at, Math.min(PIECE_BYTES, bytes - at), rooms[turn])
        onBytes(piece)
        await writing
        writing = writeFully(file, piece, to + at)
        writing.catch(() => {}) // told where it is awaited
      }
    } finally {
      await writing
    }
  }
}

/** What is read of an open file. */
export const piecesOf = (file: OpenFile, start: number, bytes: number): Pieces => ({
  bytes,
  read: async (at, length, room) => {
    const piece = room.subarray(0, length)
    await readFully(file, piece, start + at)
    return piece
  },
})

/** Makes a file of a few bytes. */
export const writeFile = async (fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> => {
  const file = await fs.open(path, 'wx+')
  try {
    await writeFully(file, bytes, 0)
    await file.sync?.()
  } finally {
    await file.close()
  }
}

/** Makes the names in a folder as lasting as the files; some systems cannot. */
export const syncFolder = async (fs: FileSystem, path: string): Promise<void> => {
  const folder = await fs.open(path, 'r').catch(() => undefined)
  await folder?.sync?.().catch(() => {})
  await folder?.close().catch(() => {})
}

export const exists = (fs: FileSystem, path: string): Promise<boolean> =>
  fs.stat(path).then(
    () => true,
    () => false,
  )

/** All files of a folder and of the folders within, by their paths from it, in order. */
export const fileNames = async (fs: FileSystem, folder: string): Promise<string[]> => {
  const names: string[] = []
  for (const name of (await fs.readdir(folder)).sort()) {
    const path = within(folder, name)
    const isFolder = await fs.stat(path).then(
      found => found.isDirectory(),
      () => false, // a link to nothing
    )
    if (isFolder) names.push(...(await fileNames(fs, path)).map(inner => within(name, inner)))
    else names.push(name)
  }
  return names
}

const segments = (path: string): readonly string[] => path.split('/')

/** Whether a name that a file brought is that of a file beside it or below: anything else would lead a reader astray, or is no path at all. */
export const isPathBeside = (path: unknown): path is string =>
  typeof path === 'string' &&
  !/\p{Cc}|\\|^[a-z]+:/iu.test(path) &&
  segments(path).every(part => part !== '' && part !== '.' && part !== '..')

/** The same for one that stands beside it. */
export const isNameBeside = (name: unknown): name is string => isPathBeside(name) && segments(name).length === 1

export const within = (folder: string, name: string): string => `${folder}/${name}`
export const withoutSlash = (path: string): string => path.replace(/(?<=.)[/\\]+$/, '')
export const nameOf = (path: string): string => /[^/\\]*$/.exec(path)![0]
export const folderOf = (path: string): string => path.slice(0, path.length - nameOf(path).length) || '.'
