import type { Fingerprint, ProgressEvent, Scratch, Spill, Unit } from '@tersor/core'
import { CORE_CODECS } from '@tersor/core/core-codecs'
import type { Codec, Parameter, ParameterStore } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { fileSource } from '../files/byte-source.js'
import {
  diskError,
  exists,
  makeFolder,
  nodeFileSystem,
  readFully,
  syncFolder,
  within,
  withoutSlash,
  writeFully,
  type FileSystem,
} from '../files/file-system.js'
import { recoverOutput } from '../files/moves.js'
import { openSafetensors } from '../safetensors/open.js'
import { safetensorsSink } from '../safetensors/sink.js'
import { codecsOf } from '../safetensors/tree.js'
import { writeParameters } from '../safetensors/write.js'
import { differenceOf, notOurs, nothingToResume, otherVersion, stoppedRun } from './errors.js'
import { JOURNAL, openPen, readJournal, type Pen } from './journal-file.js'
import { LOCK, lockFolder } from './lock.js'
import { JOURNAL_VERSION } from './journal.js'
import type { UnitRecord } from './journal-record.js'

export interface ScratchOptions {
  /** Besides those of @tersor/core: the codecs that stages may be stored with. */
  readonly codecs?: readonly Codec[]
  /** Throws a stopped run away where it is not gone on with; an error otherwise. */
  readonly overwrite?: boolean
  /** Where to write instead of Node's file system. */
  readonly fileSystem?: FileSystem
}

/** How far the run got that this folder is of. */
export type ScratchState = 'none' | 'begun' | 'publishing' | 'published'

export interface ScratchFolder extends Scratch {
  state(): Promise<ScratchState>
  /**
   * Takes the folder for this process and puts back what a run that was killed while publishing had moved away; `begin` does the same.
   * Gives whether the result of that run stands in its place. Throws IN_USE where another process works here.
   */
  recover(): Promise<boolean>
}

/** Everything that a run leaves in its folder; `output` is for what is moved to its place at the end. */
const OURS = /^(journal(\.new)?|unit-.*|spill-\d+|output.*|lock.*)$/
/** Where a sink leaves what is moved to its place at the end. */
const OUTPUT = 'output'
const CHUNK_BYTES = 8 << 20

const fileOf = (unit: string): string => `unit-${unit}.safetensors`

/** Size and SHA-256 of a file, read in chunks. */
const digestOf = async (fs: FileSystem, path: string): Promise<Pick<UnitRecord, 'bytes' | 'sha256'>> => {
  const hash = globalThis.process.getBuiltinModule('node:crypto').createHash('sha256')
  const source = await fileSource(path, fs)
  try {
    for (let at = 0; at < source.size; at += CHUNK_BYTES) hash.update(await source.read(at, Math.min(CHUNK_BYTES, source.size - at)))
    return { bytes: source.size, sha256: hash.digest('hex') }
  } finally {
    await source.close()
  }
}

const openSpill = async (fs: FileSystem, path: string): Promise<Spill> => {
  const file = await fs.open(path, 'wx+')
  return {
    write: (at, bytes) =>
      writeFully(file, bytes, at).catch((cause: unknown) => {
        throw diskError(path, cause)
      }),
    read: async (at, length) => {
      const bytes = new Uint8Array(length)
      const got = await readFully(file, bytes, at)
      if (got === length) return bytes
      throw badFile(`${path} ends at byte ${at + got}; bytes to ${at + length} are missing.`)
    },
    close: async () => {
      await file.close()
      await fs.rm(path, { recursive: true, force: true })
    },
  }
}

/** The folder of one run. */
interface Folder {
  readonly fs: FileSystem
  readonly path: string
  readonly codecs: readonly Codec[]
  readonly overwrite: boolean
  /** Finished ones by name. */
  readonly units: Map<string, UnitRecord>
  pen?: Pen | undefined
  /** Lets other processes in. */
  unlock?: (() => Promise<void>) | undefined
  spills: number
}

const clear = async ({ fs, path }: Folder, keep: ReadonlySet<string>): Promise<void> => {
  for (const name of await fs.readdir(path))
    if (OURS.test(name) && name !== LOCK && !keep.has(name)) await fs.rm(within(path, name), { recursive: true, force: true })
}

const close = async (folder: Folder): Promise<void> => {
  await folder.pen?.close()
  folder.pen = undefined
  await folder.unlock?.()
  folder.unlock = undefined
}

/** Takes a folder that is there and recovers what was being published in it. */
const recover = async (folder: Folder): Promise<boolean> => {
  const { fs, path } = folder
  folder.unlock ??= await lockFolder(fs, path)
  return recoverOutput(fs, within(path, OUTPUT))
}

/** The journal goes last: while it is there, a run that is killed in this moment can be told from one that never was. */
const remove = async (folder: Folder): Promise<void> => {
  await folder.pen?.close()
  folder.pen = undefined
  await clear(folder, new Set([JOURNAL]))
  await folder.fs.rm(folder.path, { recursive: true, force: true })
  folder.unlock = undefined // gone with the folder
}

type RunState = Awaited<ReturnType<Scratch['begin']>>

const beginAnew = async (folder: Folder, fingerprint: Fingerprint): Promise<RunState> => {
  const { fs, path, overwrite } = folder
  const names = (await exists(fs, path)) ? await fs.readdir(path) : []
  const others = names.filter(name => !OURS.test(name))
  if (others.length > 0) throw notOurs(path, others)
  await makeFolder(fs, path)
  await recover(folder)
  if (!overwrite && (await readJournal(fs, path))?.records.length) {
    await close(folder)
    throw stoppedRun(path)
  }
  await clear(folder, new Set())
  try {
    folder.pen = await openPen(fs, path, { text: '', checksum: '' })
    await folder.pen.add({ kind: 'begin', version: JOURNAL_VERSION, fingerprint })
    await syncFolder(fs, path)
    return 'begun'
  } catch (error) {
    await remove(folder)
    throw error
  }
}

const goOn = async (folder: Folder, fingerprint: Fingerprint): Promise<RunState> => {
  const { fs, path } = folder
  if (!(await exists(fs, path))) throw nothingToResume(path)
  await recover(folder)
  try {
    return await takeUp(folder, fingerprint)
  } catch (error) {
    await close(folder)
    throw error
  }
}

/** Reads what a stopped run left, holds it against this one and goes on behind its last record. */
const takeUp = async (folder: Folder, fingerprint: Fingerprint): Promise<RunState> => {
  const { fs, path, units } = folder
  const journal = await readJournal(fs, path)
  const [begin, ...records] = journal?.records ?? []
  if (!journal || begin?.kind !== 'begin') throw nothingToResume(path)
  if (begin.version !== JOURNAL_VERSION) throw otherVersion(path, begin.version)
  const difference = differenceOf(path, begin.fingerprint, fingerprint)
  if (difference) throw difference
  for (const record of records) if (record.kind === 'unit') units.set(record.unit, record)
  await clear(folder, new Set([JOURNAL, ...[...units.keys()].map(fileOf)]))
  folder.pen = await openPen(fs, path, journal)
  return records.at(-1)?.kind === 'published' ? 'published' : 'begun'
}

const findUnit = async ({ fs, path, units, codecs }: Folder, unit: string): Promise<Unit | undefined> => {
  const record = units.get(unit)
  if (!record) return undefined
  const file = within(path, fileOf(unit))
  const found = (await exists(fs, file)) ? await digestOf(fs, file) : undefined
  if (found?.bytes !== record.bytes || found.sha256 !== record.sha256)
    throw badFile(`${file} is not what the run wrote there.`, 'Remove the folder and begin anew.', { file })
  return { params: await openSafetensors(file, { codecs, fileSystem: fs, trusted: true }), events: record.events }
}

/** A stage as a file, hashed on its way to the disk; an older one of its name is there until the new one is whole. */
const saveUnit = async (
  { fs, path, units, codecs, pen }: Folder,
  unit: string,
  parameters: ReadonlyMap<string, Parameter>,
  events: readonly ProgressEvent[],
): Promise<ParameterStore> => {
  const file = within(path, fileOf(unit))
  const hash = globalThis.process.getBuiltinModule('node:crypto').createHash('sha256')
  let bytes = 0
  await writeParameters(fs, `${file}.new`, parameters, piece => {
    hash.update(piece)
    bytes += piece.byteLength
  })
  await fs.rename(`${file}.new`, file)
  await syncFolder(fs, path)
  const finished: UnitRecord = { kind: 'unit', unit, bytes, sha256: hash.digest('hex'), events }
  await pen!.add(finished)
  units.set(unit, finished)
  return openSafetensors(file, { codecs: [...codecs, ...[...parameters.values()].flatMap(codecsOf)], fileSystem: fs, trusted: true })
}

const onDisk = <T>(path: string, work: Promise<T>): Promise<T> =>
  work.catch((cause: unknown) => {
    throw diskError(path, cause)
  })

/**
 * A folder for what a run of `compress` cannot keep in memory, and for what it leaves when it is stopped: finished stages as
 * safetensors files, and a journal of them with checksums. Nothing is touched before the run begins; the folder is gone when it ends well.
 * The run throws RESUME, DISK, BAD_FILE (a damaged journal or stage) and OUTPUT_EXISTS (a folder with files of others).
 */
export const scratchFolder = (where: string, options: ScratchOptions = {}): ScratchFolder => {
  const { codecs = [], overwrite = false, fileSystem: fs = nodeFileSystem() } = options
  const path = withoutSlash(where)
  const folder: Folder = { fs, path, codecs: [...CORE_CODECS, ...codecs], overwrite, units: new Map(), spills: 0 }
  return Object.freeze({
    path,
    state: async () => {
      const last = (await readJournal(fs, path))?.records.at(-1)
      if (!last) return 'none'
      return last.kind === 'publishing' || last.kind === 'published' ? last.kind : 'begun'
    },
    recover: async () => (await exists(fs, path)) && onDisk(path, recover(folder)),
    begin: (fingerprint: Fingerprint, resume: boolean) => onDisk(path, (resume ? goOn : beginAnew)(folder, fingerprint)),
    find: (unit: string) => onDisk(path, findUnit(folder, unit)),
    create: (unit: string) => safetensorsSink(within(path, fileOf(unit)), { fileSystem: fs, overwrite: true }),
    save: (...unit: Parameters<Scratch['save']>) => onDisk(path, saveUnit(folder, ...unit)),
    spill: () => onDisk(path, openSpill(fs, within(path, `spill-${folder.spills++}`))),
    finished: () => folder.units.size,
    publish: (kind: 'publishing' | 'published') => onDisk(path, folder.pen!.add({ kind })),
    close: () => close(folder),
    remove: () => remove(folder),
  } satisfies ScratchFolder)
}
