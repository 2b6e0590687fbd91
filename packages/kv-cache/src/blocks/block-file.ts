import type { BlockFile } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

/** Blocks in the memory of the host, outside of the engine's. */
export const memoryBlocks = (): BlockFile => {
  let all = new Uint8Array(0)
  return {
    write: async (at, bytes) => {
      if (at + bytes.length > all.length) {
        const longer = new Uint8Array(Math.max(at + bytes.length, 2 * all.length))
        longer.set(all)
        all = longer
      }
      all.set(bytes, at)
    },
    read: async (at, length) => all.slice(at, at + length),
    close: async () => void (all = new Uint8Array(0)),
  }
}

const diskError = (path: string, cause: unknown): CompressionError =>
  new CompressionError(
    'DISK',
    `${path} cannot be used for blocks: ${(cause as Error).message}.`,
    'Choose a place that can be written to, with room.',
    { path },
    cause,
  )

/** Blocks in a file, which is removed when it is closed. Throws DISK. */
export const fileBlocks = async (path: string): Promise<BlockFile> => {
  const fs = globalThis.process.getBuiltinModule('node:fs/promises')
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      throw diskError(path, cause)
    }
  }
  const file = await guarded(() => fs.open(path, 'w+', 0o600))
  return {
    write: (at, bytes) => guarded(async () => void (await file.write(bytes, 0, bytes.length, at))),
    read: (at, length) =>
      guarded(async () => {
        const bytes = new Uint8Array(length)
        const { bytesRead } = await file.read(bytes, 0, length, at)
        if (bytesRead !== length) throw new Error(`${bytesRead} bytes of ${length} are there`)
        return bytes
      }),
    close: () =>
      guarded(async () => {
        await file.close()
        await fs.rm(path, { force: true })
      }),
  }
}
