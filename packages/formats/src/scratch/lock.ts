import { CompressionError } from '@tersor/tensor'
import { readSmallFile } from '../files/byte-source.js'
import { exists, within, writeFile, type FileSystem } from '../files/file-system.js'

/** The file that names the process which works in a folder. */
export const LOCK = 'lock'
const MOST_BYTES = 4096

/** A process, and when it began: its number alone may be another's by now. */
interface Owner {
  readonly pid: number
  readonly began: string
}

/** When a process began, in ticks since the machine did; empty where the system does not tell. */
const beginOf = (pid: number): string => {
  try {
    const text = globalThis.process.getBuiltinModule('node:fs').readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

const isAlive = ({ pid, began }: Owner): boolean => {
  try {
    globalThis.process.kill(pid, 0) // sends nothing
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') return false
  }
  return beginOf(pid) === began
}

const readOwner = async (fs: FileSystem, path: string): Promise<Owner | undefined> => {
  try {
    const { pid, began } = JSON.parse(new TextDecoder().decode(await readSmallFile(path, MOST_BYTES, fs))) as Owner
    return Number.isInteger(pid) && pid > 0 ? { pid, began } : undefined
  } catch {
    return undefined // gone in the meantime, or torn by a kill
  }
}

const inUse = (folder: string, { pid }: Owner): CompressionError =>
  new CompressionError(
    'IN_USE',
    `Another run works in ${folder}: process ${pid}.`,
    'Wait until it ends, or choose another path for this one.',
    { path: folder, pid },
  )

/**
 * Takes a folder for this process; gives what lets it go. A lock dies with its process: one whose process is gone is taken over.
 * Throws IN_USE where a process that lives has it. Does nothing where there are no processes, as in browsers.
 */
export const lockFolder = async (fs: FileSystem, folder: string): Promise<() => Promise<void>> => {
  const pid = globalThis.process?.pid
  if (!pid) return async () => {}
  const path = within(folder, LOCK)
  const text = JSON.stringify({ pid, began: beginOf(pid) } satisfies Owner)
  const take = (): Promise<boolean> =>
    writeFile(fs, path, new TextEncoder().encode(text)).then(
      () => true,
      (error: { code?: string }) => (error.code === 'EEXIST' ? false : Promise.reject(error as Error)),
    )
  while (!(await take())) {
    const owner = await readOwner(fs, path)
    if (owner && isAlive(owner)) throw inUse(folder, owner)
    // Renamed first, so that of two that find the same dead lock only one takes it away.
    const dead = `${path}.${globalThis.crypto.randomUUID().slice(0, 8)}`
    if (await exists(fs, path)) await fs.rename(path, dead).catch(() => {})
    await fs.rm(dead, { recursive: true, force: true })
  }
  return () => fs.rm(path, { recursive: true, force: true })
}
