import { CompressionError } from '@tersor/tensor'
import { badFile } from './bad-file.js'
import { diskError, nodeFileSystem, readFully, type FileSystem } from './file-system.js'

/** Bytes that are read by range: a file, or a Blob in the browser. Reads may run at the same time. */
export interface ByteSource {
  readonly name: string
  readonly size: number
  /** Whether `read` puts bytes in the room that it is given. */
  readonly fillsRoom: boolean
  /** The bytes, in `room` where that is given and filled. */
  read(offset: number, length: number, signal?: AbortSignal, room?: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

/** Refuses before anything is allocated; throws BAD_FILE. */
const checkRange = (source: { readonly name: string; readonly size: number }, offset: number, length: number): void => {
  if (offset + length <= source.size) return
  throw badFile(`${source.name} ends at byte ${source.size}; bytes ${offset} to ${offset + length} are missing.`, undefined, {
    offset,
    length,
    size: source.size,
  })
}

const closed = (name: string): CompressionError =>
  new CompressionError('NOT_FOUND', `${name} is closed.`, 'Open it again, and close it after the last read.', { name })

/** A source over a file, opened once; throws NOT_FOUND or DISK. */
export const fileSource = async (path: string, fs: FileSystem = nodeFileSystem()): Promise<ByteSource> => {
  const failed = (cause: unknown): never => {
    throw diskError(path, cause)
  }
  const file = await fs.open(path, 'r').catch(failed)
  const { size } = await file.stat().catch(failed)
  let open = true
  return Object.freeze({
    name: path,
    size,
    fillsRoom: true,
    read: async (offset: number, length: number, signal?: AbortSignal, room?: Uint8Array) => {
      signal?.throwIfAborted()
      if (!open) throw closed(path)
      checkRange({ name: path, size }, offset, length)
      const buffer = room?.subarray(0, length) ?? new Uint8Array(length)
      const got = await readFully(file, buffer, offset, signal).catch(failed)
      if (got < length) checkRange({ name: path, size: offset + got }, offset, length)
      return buffer
    },
    close: async () => {
      if (open) await file.close().catch(failed)
      open = false
    },
  })
}

/** A source over a Blob, such as a file that the user dropped on a page. */
export const blobSource = (blob: Blob): ByteSource => {
  const name = (blob as { name?: string }).name ?? 'The blob'
  return Object.freeze({
    name,
    size: blob.size,
    fillsRoom: false,
    read: async (offset: number, length: number, signal?: AbortSignal) => {
      signal?.throwIfAborted()
      checkRange({ name, size: blob.size }, offset, length)
      const buffer = await blob.slice(offset, offset + length).arrayBuffer()
      signal?.throwIfAborted()
      return new Uint8Array(buffer)
    },
    close: async () => {},
  })
}

export const openSource = async (from: string | Blob, fs?: FileSystem): Promise<ByteSource> =>
  typeof from === 'string' ? fileSource(from, fs) : blobSource(from)

/** All bytes of a small file; throws BAD_FILE where it is larger than the limit. */
export const readSmallFile = async (path: string, limit: number, fs?: FileSystem): Promise<Uint8Array> => {
  const source = await fileSource(path, fs)
  try {
    if (source.size > limit)
      throw badFile(`${path} has ${source.size} bytes; at most ${limit} are read.`, 'Check that it is the right file.', { limit })
    return await source.read(0, source.size)
  } finally {
    await source.close()
  }
}
