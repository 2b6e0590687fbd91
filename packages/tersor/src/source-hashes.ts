import { locateModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
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

/** SHA-256 of files, with their names where they are several. */
export const hashOf = async (files: readonly string[], folder?: string): Promise<string> => {
  const hash = createHash('sha256')
  for (const file of files) {
    if (folder !== undefined) hash.update(`${relative(folder, file).replaceAll('\\', '/')}\n`)
    for await (const piece of createReadStream(file)) hash.update(piece as Buffer)
  }
  return hash.digest('hex')
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
export const hashOfModel = async (path: string): Promise<string> => {
  const found = await stat(path).catch((cause: unknown) => Promise.reject(missing(path, cause)))
  if (found.isDirectory()) return hashOf(await filesIn(path), path)
  const { format, path: file } = await locateModel(path)
  return hashOf((await format.weightFiles?.(file)) ?? [file])
}
