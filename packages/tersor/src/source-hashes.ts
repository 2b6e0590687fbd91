import { locateModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { hashOnThread, type Hashed } from './hash-thread.js'
import { expandPaths } from './texts/files.js'

/** What stands beside a model and says nothing of its numbers. */
const NOT_OF_THE_MODEL = /^(\.|README|LICENSE|tersor\.recipe\.json$)/

const filesIn = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => !entry.isDirectory() && !NOT_OF_THE_MODEL.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

/** Below it a thread takes longer to start than to hash. */
const WORTH_A_THREAD = 2 ** 24

const hashHere = async (files: readonly Hashed[]): Promise<string> => {
  const hash = createHash('sha256')
  for (const { file, before = '' } of files) hash.update(before).update(await readFile(file))
  return hash.digest('hex')
}

/** SHA-256 of files, with their names where they are several. */
export const hashOf = async (files: readonly string[], folder?: string, signal?: AbortSignal): Promise<string> => {
  const named = (file: string): Hashed =>
    folder === undefined ? { file } : { file, before: `${relative(folder, file).replaceAll('\\', '/')}\n` }
  const sizes = await Promise.all(files.map(async file => (await stat(file)).size))
  const isLarge = sizes.reduce((sum, size) => sum + size, 0) > WORTH_A_THREAD
  return isLarge ? hashOnThread(files.map(named), signal) : hashHere(files.map(named))
}

const missing = (path: string, cause: unknown): CompressionError =>
  new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, 'Check the path.', { path }, cause)

/** SHA-256 of a file, of all files of a folder, or of several of them. Throws NOT_FOUND. */
export const hashOfData = async (given: readonly string[]): Promise<string> => {
  const hashes = await Promise.all((await expandPaths(given)).map(hashOfPath))
  return hashes.length === 1 ? hashes[0] : createHash('sha256').update(hashes.join('\n')).digest('hex')
}

const hashOfPath = async (path: string): Promise<string> => {
  const found = await stat(path).catch((cause: unknown) => Promise.reject(missing(path, cause)))
  return found.isDirectory() ? hashOf(await filesIn(path), path) : hashOf([path])
}

/** SHA-256 of a model: of a folder all that is in it, of a file those that hold its weights. Throws NOT_FOUND. */
export const hashOfModel = async (path: string, signal?: AbortSignal): Promise<string> => {
  const found = await stat(path).catch((cause: unknown) => Promise.reject(missing(path, cause)))
  if (found.isDirectory()) return hashOf(await filesIn(path), path, signal)
  const { format, path: file } = await locateModel(path)
  return hashOf((await format.weightFiles?.(file)) ?? [file], undefined, signal)
}

/** Hashes a model while something else reads it, on another thread where it is large; hashing stops when the work ends. */
export const whileHashed = async <T>(path: string, work: (hash: Promise<string>) => Promise<T>): Promise<T> => {
  const done = new AbortController()
  const hash = hashOfModel(path, done.signal)
  hash.catch(() => undefined) // whoever waits for it is told; work that failed before has an error of its own
  try {
    return await work(hash)
  } finally {
    done.abort()
    await hash.catch(() => undefined) // so that no file stays open behind it
  }
}
