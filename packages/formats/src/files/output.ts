import type { Provenance } from '@tersor/core'
import { CompressionError, type Outline, type Parameter, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import { diskError, exists, folderOf, nodeFileSystem, within, withoutSlash, writeFile, type FileSystem, makeFolder } from './file-system.js'
import { checkReplaceable, markFolder } from './mark.js'
import { MOVES, movesToText, identityOf, type Move } from './moves.js'

/** What every writer of this package understands. */
export interface OutputOptions {
  /** Replace what stands at the path, at the very end, where Tersor wrote it; an error otherwise. */
  readonly overwrite?: boolean
  /** Where unfinished files wait, on the disk of the target; `<path>.partial-<id>` where absent. */
  readonly unfinished?: string
  /** Where to write instead of Node's file system. */
  readonly fileSystem?: FileSystem
}

/** What every sink understands. */
export interface SinkOptions extends OutputOptions {
  /** The steps that made the parameters. */
  readonly provenance?: readonly Provenance[]
}

/** An unfinished output: a folder beside the target that becomes the target or vanishes. */
export interface Output {
  readonly fs: FileSystem
  /** Holds the unfinished files. */
  readonly folder: string
  /** Runs steps one after another; the first failure closes and removes everything and is what later steps throw. */
  step<T>(work: () => Promise<T>): Promise<T>
  /** Moves the finished files to their places and what they make stale away, all or none. Call it inside the last step. */
  publish(moves: readonly Move[], stale?: readonly string[]): Promise<void>
  /** Closes and removes everything. */
  abort(): Promise<void>
}

const outputExists = (path: string): CompressionError =>
  new CompressionError('OUTPUT_EXISTS', `${path} exists.`, 'Choose another path, or pass overwrite: true to replace it.', { path })

const finished = (path: string): CompressionError =>
  new CompressionError('BAD_OPTION', `${path} is finished or was aborted.`, 'Make a new sink for more.', { path })

/** Puts every file in its place; a failure puts everything back, and so does `recoverOutput` after a kill in the middle. */
const moveAll = async (output: Pick<Output, 'fs' | 'folder'>, moves: readonly Move[], overwrite: boolean): Promise<void> => {
  const { fs, folder } = output
  const undo: Move[] = []
  const planned = await Promise.all(
    moves.map(async ({ from, to }, index) => ({ to, kept: `replaced-${index}`, identity: await identityOf(fs, from) })),
  )
  await writeFile(fs, within(folder, MOVES), movesToText(planned))
  const move = async (from: string, to: string): Promise<void> => {
    await fs.rename(from, to)
    undo.unshift({ from: to, to: from })
  }
  try {
    for (const [index, { from, to }] of moves.entries()) {
      if (await exists(fs, to)) {
        if (!overwrite) throw outputExists(to)
        await checkReplaceable(fs, to)
        await move(to, within(folder, `replaced-${index}`))
      }
      await move(from, to)
    }
  } catch (error) {
    for (const { from, to } of undo) await fs.rename(from, to)
    throw error
  }
}

/**
 * Prepares `<path>.partial-<id>` with the first step. `targets` are the paths that must not exist without `overwrite`; `close` releases
 * the files that are open in the folder before it is removed.
 * Steps throw OUTPUT_EXISTS, DISK, NOT_FOUND (a parent that vanished) or what the work throws.
 */
export const createOutput = (
  path: string,
  options: OutputOptions,
  targets: readonly string[] = [path],
  close: () => Promise<void> = async () => {},
): Output => {
  const fs = options.fileSystem ?? nodeFileSystem()
  const overwrite = options.overwrite ?? false
  const folder = options.unfinished ?? `${withoutSlash(path)}.partial-${globalThis.crypto.randomUUID().slice(0, 8)}`
  let prepared = false
  let ended: unknown
  let last: Promise<unknown> = Promise.resolve()

  const prepare = async (): Promise<void> => {
    if (prepared) return
    for (const name of targets) {
      if (!overwrite && (await exists(fs, name))) throw outputExists(name)
      await checkReplaceable(fs, name)
    }
    prepared = true
    await makeFolder(fs, folder)
  }
  const remove = async (): Promise<void> => {
    await close().catch(() => {})
    if (prepared) await fs.rm(folder, { recursive: true, force: true })
  }
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    if (ended) throw ended
    try {
      await prepare()
      return await work()
    } catch (error) {
      ended = diskError(path, error)
      await remove().catch(() => {})
      throw ended
    }
  }
  return Object.freeze({
    fs,
    folder,
    step: <T>(work: () => Promise<T>) => {
      const result = last.then(() => attempt(work))
      last = result.catch(() => {})
      return result
    },
    publish: async (moves: readonly Move[], stale: readonly string[] = []) => {
      if (options.unfinished !== undefined) await makeFolder(fs, folderOf(path)) // otherwise it is made with the folder beside the target
      for (const { from } of moves) if ((await fs.stat(from)).isDirectory()) await markFolder(fs, from)
      for (const name of stale) await checkReplaceable(fs, name)
      const away = stale.map((path, index) => ({ from: path, to: within(folder, `stale-${index}`) }))
      await moveAll({ fs, folder }, [...away, ...moves], overwrite)
      ended = finished(path)
      await remove().catch(() => {})
    },
    abort: async () => {
      ended ??= finished(path)
      await last
      await remove()
    },
  })
}

/** Gives a value, or asks for it. */
export const valueOf = <T extends object>(given: T | (() => T)): T => (typeof given === 'function' ? (given as () => T)() : given)

/** What the writer of a format works with. */
export interface Unfinished extends Pick<Output, 'fs' | 'folder'> {
  /** Throws BAD_DATA for a name that was taken before. */
  take(name: string): void
  /** The steps that made the parameters. */
  readonly provenance: readonly Provenance[]
}

/** What a format does inside of the steps of a sink. */
export interface FileWriter<S extends ParameterStore> {
  write(name: string, parameter: Parameter): Promise<void>
  /** Where the bytes of a store may stay where they are until the end. */
  copy?(name: string, outline: Outline): Promise<void>
  /** Completes the files in the folder; gives where they go, and what they make stale. */
  finish(): Promise<{ readonly moves: readonly Move[]; readonly stale?: readonly string[] }>
  /** Releases what is open in the folder: before the files go to their places, after a failure, and maybe once more. */
  close?(): Promise<void>
  /** Opens what stands in its place then. */
  reopen(): Promise<S>
}

const repeated = (name: string): CompressionError =>
  new CompressionError('BAD_DATA', `The name "${name}" is taken already.`, 'Write every parameter once, under a name of its own.', { name })

/**
 * The sink of a format: `make` gives what is the format's own, and steps, names, provenance, publishing and cleaning up are here.
 * Steps throw as those of `createOutput`.
 */
export const fileSink = <S extends ParameterStore>(
  path: string,
  { provenance = [], ...options }: SinkOptions,
  make: (unfinished: Unfinished) => FileWriter<S>,
  targets: readonly string[] = [path],
): ParameterSink & { finish(): Promise<S> } => {
  const names = new Set<string>()
  const output = createOutput(path, options, targets, async () => writer.close?.())
  const take = (name: string): void => {
    if (names.size === names.add(name).size) throw repeated(name)
  }
  const writer = make({ fs: output.fs, folder: output.folder, take, provenance })
  const finish = async (): Promise<void> => {
    const { moves, stale } = await writer.finish()
    await writer.close?.()
    await output.publish(moves, stale)
  }
  return Object.freeze({
    write: (name: string, parameter: Parameter) => output.step(() => writer.write(name, parameter)),
    ...(writer.copy ? { copy: (name: string, outline: Outline) => output.step(() => writer.copy!(name, outline)) } : {}),
    finish: async () => {
      await output.step(finish)
      return writer.reopen()
    },
    abort: () => output.abort(),
  })
}
