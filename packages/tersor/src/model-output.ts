import type { RunOptions } from '@tersor/core'
import type { SinkOptions } from '@tersor/formats/internal/files/output'
import { scratchFolder, type ScratchFolder } from '@tersor/formats/scratch'
import { loadFormats } from '@tersor/models/formats'
import type { FormatWriter, OpenSink } from '@tersor/models/internal/formats/format'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import type { ParameterSink } from '@tersor/tensor'
import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FormatFlags } from './format-flags.js'
import { growthText } from './growth-text.js'
import { notesOf } from './output-notes.js'
import { refuseExisting, refuseSource } from './output-place.js'
import { placeOf, refuseMisplaced, withStoredNames } from './place-in-format.js'
import { handedDtype, plainIn } from './plain-floats.js'
import { weightBytes } from './weight-bytes.js'
import { sinkOf, writerOf } from './writer-of.js'

export interface OutputFlags extends FormatFlags {
  readonly out: string
  readonly overwrite: boolean
  readonly resume: boolean
}

/** A saved model: what a report says of it. */
export interface SavedModel {
  /** What to pass as MODEL next time. */
  readonly path: string
  /** Of the files with weights that were written. */
  readonly bytes: number
  /** What the format could not hold as it was. */
  readonly notes: readonly string[]
  /** Why it is not smaller than its source, should it be so. */
  readonly growth: string | undefined
  close(): Promise<void>
}

export interface ModelOutput {
  readonly sink: NonNullable<RunOptions<OpenedModel>['sink']>
  /** Where the run works, beside the result: `<out>.partial`. */
  readonly scratch: ScratchFolder
  /** Opens the result of the stopped run that is to be resumed, where it was killed after its last step. */
  readonly reopen?: () => Promise<OpenedModel>
  saved(model: OpenedModel): Promise<SavedModel>
}

/** A sink for a finished model: files get a folder of their own where none is there. */
const openSink = ({ open, writer }: Place, path: string, model: OpenedModel, rest: SinkOptions): ParameterSink => {
  const make = () => open(path, model, rest)
  return withStoredNames(writer.fileIn === undefined ? make() : inFolder(dirname(path), make), writer, model)
}

/** Takes the folder that was made for a file away again where nothing came of it. */
const inFolder = (folder: string, make: () => ParameterSink): ParameterSink => {
  const sink = make()
  return {
    ...sink,
    abort: async () => {
      await sink.abort()
      await rmdir(folder).catch(() => undefined) // not empty, or never made
    },
  }
}

/** What a stopped run left and whether its output may be replaced: by --overwrite, or since the run itself had put it there already. */
const standOf = async (scratch: ScratchFolder, flags: OutputFlags, path: string) => {
  const { resume, overwrite } = flags
  try {
    const placed = await scratch.recover()
    const state = resume ? await scratch.state() : 'none'
    const replaces = overwrite || (state === 'publishing' && placed)
    if (state !== 'published') await refuseExisting(flags.out, replaces, path)
    return { overwrite: replaces, state }
  } catch (error) {
    await scratch.close()
    throw error
  }
}

/** How a format is written, and its sinks. */
interface Place {
  readonly writer: FormatWriter
  readonly open: OpenSink
}

/** Prepares where a compressed model goes; throws OUTPUT_EXISTS before any work is done, and UNSUPPORTED for a format the model has no place in. */
export const openOutput = async (model: OpenedModel, source: string, flags: OutputFlags): Promise<ModelOutput> => {
  await refuseSource(source, flags.out)
  const writer = await writerOf(flags.format)
  const path = placeOf(writer, flags.out)
  const scratch = scratchFolder(`${flags.out.replace(/(?<=.)[/\\]+$/, '')}.partial`, { overwrite: flags.overwrite })
  const { overwrite, state } = await standOf(scratch, flags, path)
  refuseMisplaced(model, { ...flags, writer, formats: await loadFormats() })
  const open = await sinkOf(flags)
  const unfinished = join(scratch.path, 'output')
  return {
    scratch,
    ...(state === 'published' ? { reopen: () => openModel(path) } : {}),
    sink: small =>
      plainIn(
        openSink({ writer, open }, path, small, { provenance: small.provenance ?? [], overwrite, unfinished }),
        handedDtype(writer, flags.dtype),
      ),
    saved: async small => {
      const written = writer.entry === undefined ? path : join(path, writer.entry)
      return {
        path: written,
        bytes: await weightBytes(written),
        notes: notesOf(small.params, flags),
        growth: growthText(model.params, small.params),
        close: async () => small.params.close?.(),
      }
    },
  }
}

export type DirectFlags = Omit<OutputFlags, 'resume'>

/** Where a model goes that only changes its format. */
export interface DirectOutput {
  readonly path: string
  readonly sink: ParameterSink
  /** What the format could not hold as it was; known at the end. */
  notes(): readonly string[]
}

/** Prepares it; throws OUTPUT_EXISTS, UNSUPPORTED and BAD_OPTION before any work is done. */
export const openDirectOutput = async (model: OpenedModel, source: string, flags: DirectFlags): Promise<DirectOutput> => {
  const writer = await writerOf(flags.format)
  const path = placeOf(writer, flags.out)
  await refuseSource(source, flags.out)
  await refuseExisting(flags.out, flags.overwrite, path)
  refuseMisplaced(model, { ...flags, writer, formats: await loadFormats() })
  const open = await sinkOf(flags)
  const sink = openSink({ writer, open }, path, model, { provenance: model.provenance ?? [], overwrite: flags.overwrite })
  let notes: readonly string[] = []
  const finish = async () => {
    const store = await sink.finish()
    notes = notesOf(store, flags)
    return store
  }
  return { path, sink: { ...sink, finish }, notes: () => notes }
}
