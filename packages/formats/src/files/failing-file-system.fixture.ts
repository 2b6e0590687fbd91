import { promises as node } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSystem } from './file-system.js'

export const systemError = (code: string, text: string): Error => Object.assign(new Error(`${code}: ${text}`), { code, syscall: 'write' })

interface Faults {
  /** Writing fails with ENOSPC once so many bytes are on the disk. */
  readonly capacity?: number
  /** This rename, counted from 0, fails with EIO. */
  readonly failingRename?: number
  readonly readOnly?: boolean
}

/** Node's file system with a fault, for tests. */
export const failingFileSystem = ({ capacity = Infinity, failingRename = -1, readOnly = false }: Faults): FileSystem => {
  let written = 0
  let renames = 0
  const open: FileSystem['open'] = async (path, flags) => {
    const file = await node.open(path, flags)
    return {
      read: (buffer, offset, length, position) => file.read(buffer, offset, length, position),
      write: async (buffer, offset, length, position) => {
        written += length
        if (written > capacity) throw systemError('ENOSPC', 'no space left on device, write')
        return file.write(buffer, offset, length, position)
      },
      stat: () => file.stat(),
      close: () => file.close(),
    }
  }
  return {
    ...(node as unknown as FileSystem),
    open,
    mkdir: async path => {
      if (readOnly) throw systemError('EROFS', `read-only file system, mkdir '${path}'`)
      return node.mkdir(path)
    },
    rename: async (from, to) => {
      if (renames++ === failingRename) throw systemError('EIO', 'i/o error, rename')
      await node.rename(from, to)
    },
  }
}

/** Node's file system, on which nothing changes any more from this change on, counted from 0: what a process leaves that is killed there. */
export const dyingFileSystem = (dies: number): { readonly fileSystem: FileSystem; died(): boolean } => {
  let changes = 0
  const change = <T>(work: () => Promise<T>): Promise<T> => (changes++ < dies ? work() : Promise.reject(new Error('killed')))
  const open: FileSystem['open'] = async (path, flags) => {
    const file = await (flags === 'r' ? node.open(path, flags) : change(() => node.open(path, flags)))
    return {
      read: (buffer, offset, length, position) => file.read(buffer, offset, length, position),
      write: (buffer, offset, length, position) => change(() => file.write(buffer, offset, length, position)),
      stat: () => file.stat(),
      close: () => file.close(),
    }
  }
  const fileSystem: FileSystem = {
    ...(node as unknown as FileSystem),
    open,
    mkdir: path => change(() => node.mkdir(path)),
    rename: (from, to) => change(() => node.rename(from, to)),
    rm: (path, options) => change(() => node.rm(path, options)),
  }
  return { fileSystem, died: () => changes > dies }
}

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'tersor-formats-'))

/** The two-line error of a call that must fail, as "CODE: text". */
export const failure = async (call: () => unknown): Promise<string> => {
  try {
    await call()
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`
  }
  return 'no error'
}
