import { CompressionError } from '@tersor/tensor'
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { stands } from '../kind-of.js'

/** What a shell would have expanded; a path that exists is never taken for one. */
const PATTERN = /[*?[{]/

/** Files whose paths match, in the order of their names; links to folders are not followed. */
const matching = async (pattern: string): Promise<readonly string[]> => {
  const { default: picomatch } = await import('picomatch')
  const { base } = picomatch.scan(pattern)
  const matches = picomatch(pattern.replace(/^\.\//, ''), { dot: false })
  const names = await readdir(base || '.', { recursive: true, withFileTypes: true }).catch(() => [])
  return names
    .filter(entry => entry.isFile() || entry.isSymbolicLink())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => matches(path.replaceAll('\\', '/')))
    .sort()
}

const nothing = (given: string, what: string, remedy: string): CompressionError =>
  new CompressionError('NOT_FOUND', what, remedy, { path: given })

/** The files that a path or a pattern stands for. */
const filesFor = async (given: string): Promise<readonly string[]> => {
  if (await stands(given)) return [given]
  if (!PATTERN.test(given)) throw nothing(given, `There is nothing at ${given}.`, 'Check the path.')
  const found = await matching(given)
  if (found.length > 0) return found
  throw nothing(given, `No file matches ${given}.`, 'Check the pattern: * stands for any characters but /, ** for folders too.')
}

/** Files and folders that paths and patterns stand for, each once, in the order given; throws NOT_FOUND. */
export const expandPaths = async (given: readonly string[]): Promise<readonly string[]> => [
  ...new Set((await Promise.all(given.map(filesFor))).flat()),
]

/** Files in a folder whose names end in one of these, in the order of their names, those in folders of it too. */
export const filesIn = async (folder: string, ends: readonly string[]): Promise<readonly string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => !entry.isDirectory() && ends.some(end => entry.name.toLowerCase().endsWith(end)))
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}

/** Files in words: one by its name, several by how many they are. */
export const namedFiles = (files: readonly string[]): string => (files.length === 1 ? basename(files[0]) : `${files.length} files`)
