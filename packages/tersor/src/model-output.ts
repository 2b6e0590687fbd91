import type { Provenance, RunOptions } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import { ggufSink, type GgufReport } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { tfjsSink } from '@tersor/formats/tfjs'
import { scratchFolder, type ScratchFolder } from '@tersor/formats/scratch'
import type { OpenedModel } from '@tersor/models'
import { CompressionError, type ParameterSink } from '@tersor/tensor'
import { rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export type OutputFormat = 'huggingface' | 'gguf'

export interface OutputFlags {
  readonly out: string
  readonly format: OutputFormat
  readonly overwrite: boolean
  readonly resume: boolean
}

/** A saved model: what a report says of it. */
export interface SavedModel {
  /** What to pass as MODEL next time. */
  readonly path: string
  readonly bytes: number
  readonly parameters: number
  /** What the format could not hold as it was. */
  readonly notes: readonly string[]
  close(): Promise<void>
}

export interface ModelOutput {
  readonly sink: NonNullable<RunOptions['sink']>
  /** Where the run works, beside the result: `<out>.partial`. */
  readonly scratch: ScratchFolder
  /** The result of the stopped run that is to be resumed, where it was killed after its last step. */
  readonly finished?: string
  saved(model: OpenedModel): Promise<SavedModel>
}

const refuseExisting = async (path: string): Promise<void> => {
  const exists = await stat(path).then(
    () => true,
    () => false,
  )
  if (exists)
    throw new CompressionError('OUTPUT_EXISTS', `${path} exists already.`, 'Choose another --out, or pass --overwrite to replace it.', {
      path,
    })
}

interface Place {
  readonly path: string
  readonly format: OutputFormat
  readonly overwrite: boolean
  readonly unfinished: string
}

const openSink = (model: OpenedModel, { path, format, overwrite, unfinished }: Place, provenance: readonly Provenance[]): ParameterSink => {
  if (model.family === 'graph') return tfjsSink(path, { ...model.file, provenance, overwrite, unfinished })
  const files = model.family !== 'image' && model.files ? { files: model.files } : {}
  const options = { config: model.rawConfig, provenance, overwrite, unfinished, ...files }
  return format === 'gguf' ? inFolder(dirname(path), () => ggufSink(path, options)) : huggingFaceSink(path, options)
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

const notesOf = (store: object): string[] =>
  ((store as { report?: readonly GgufReport[] }).report ?? [])
    .filter(({ lossless }) => !lossless)
    .map(({ name, type }) => `${name} is stored as ${type}, rounded`)

/** Prepares where a compressed model goes; throws OUTPUT_EXISTS before any work is done, and UNSUPPORTED for a format the model has no place in. */
export const openOutput = async (model: OpenedModel, flags: OutputFlags): Promise<ModelOutput> => {
  const path = flags.format === 'gguf' && !flags.out.endsWith('.gguf') ? join(flags.out, 'model.gguf') : flags.out
  const scratch = scratchFolder(`${flags.out.replace(/(?<=.)[/\\]+$/, '')}.partial`, { overwrite: flags.overwrite })
  const state = flags.resume ? await scratch.state() : 'none'
  const overwrite = flags.overwrite || state === 'publishing'
  if (!overwrite && state !== 'published') await refuseExisting(flags.out)
  if (flags.format === 'gguf' && model.family !== 'language') {
    throw new CompressionError('UNSUPPORTED', `GGUF has no place for ${model.architecture}.`, 'Use --format huggingface.', {
      architecture: model.architecture,
    })
  }
  const place = { path, format: flags.format, overwrite, unfinished: join(scratch.path, 'output') }
  return {
    scratch,
    ...(state === 'published' ? { finished: path } : {}),
    sink: (_role, provenance) => openSink(model, place, provenance),
    saved: async small => {
      const { bytes, parameters } = sizeOfModel(small)
      return {
        path: model.family === 'graph' ? join(path, 'model.json') : path,
        bytes,
        parameters,
        notes: notesOf(small.params),
        close: async () => small.params.close?.(),
      }
    },
  }
}
