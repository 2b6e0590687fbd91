import { VERSION } from '@tersor/core/version'
import { CompressionError } from '@tersor/tensor'
import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hashOf } from './source-hashes.js'
import { isSwept, type SweptModel } from './swept-model.js'

/** What decides the rows of a sweep, in one hash. */
export type SweepFacts = Readonly<Record<string, unknown>>

/** Of a file its bytes; of a folder names, sizes and times: models are large. */
export const contentsOf = async (path: string): Promise<unknown> => {
  const { size, mtimeMs, isFolder } = await stat(path).then(
    found => ({ size: found.size, mtimeMs: found.mtimeMs, isFolder: found.isDirectory() }),
    (cause: unknown) => {
      throw new CompressionError('NOT_FOUND', `There is nothing at ${path}.`, 'Check the path.', { path }, cause)
    },
  )
  if (isFolder) {
    const names = (await readdir(path)).sort()
    return Promise.all(names.map(async name => [name, ...(await stat(join(path, name)).then(found => [found.size, found.mtimeMs]))]))
  }
  return size < 2 ** 28 ? hashOf([path]) : [size, mtimeMs]
}

export const fingerprintOf = (facts: SweepFacts): string =>
  createHash('sha256')
    .update(JSON.stringify([VERSION, facts]))
    .digest('hex')

/** Rows that a sweep has finished, on disk. */
export interface SweepJournal {
  readonly path: string
  readonly rows: ReadonlyMap<string, SweptModel>
  add(row: SweptModel): Promise<void>
  /** The sweep is done. */
  remove(): Promise<void>
}

const parsed = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined // a line that a kill cut off
  }
}

const diskError = (path: string, cause: unknown): CompressionError =>
  new CompressionError(
    'DISK',
    `${path} cannot be written: ${(cause as Error).message.split('\n')[0]}.`,
    'Pass --journal FILE in a folder that may be written to.',
    { path },
    cause,
  )

/**
 * Opens the journal of a sweep: what a stopped one left is taken up again.
 * Throws RESUME where a journal that was named is that of another sweep, and DISK.
 */
export const openJournal = async (fingerprint: string, named: string | undefined): Promise<SweepJournal> => {
  const path = resolve(named ?? `tersor-sweep-${fingerprint.slice(0, 12)}.partial`)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  const [head, ...lines] = (text ?? '').split('\n').map(parsed)
  const isOurs = (head as { readonly sweep?: string } | undefined)?.sweep === fingerprint
  if (text !== undefined && text !== '' && !isOurs)
    throw new CompressionError(
      'RESUME',
      `${path} holds the rows of another sweep.`,
      'Run the sweep that it is of, with the same model, data, steps and seed, or name another --journal.',
      { path },
    )
  const rows = new Map(lines.filter(isSwept).map(row => [row.steps.join(' + '), row] as const))
  const whole = [{ sweep: fingerprint }, ...rows.values()].map(row => `${JSON.stringify(row)}\n`).join('')
  await writeFile(path, whole).catch((cause: unknown) => Promise.reject(diskError(path, cause)))
  return {
    ...{ path, rows },
    add: row => appendFile(path, `${JSON.stringify(row)}\n`).catch((cause: unknown) => Promise.reject(diskError(path, cause))),
    remove: () => rm(path, { force: true }),
  }
}
