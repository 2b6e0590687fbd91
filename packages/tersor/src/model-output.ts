import type { Provenance, RunOptions } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import { ggufSink, type GgufReport } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import type { OpenedModel } from '@tersor/models'
import { CompressionError, memorySink, type ParameterSink } from '@tersor/tensor'
import { rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export type OutputFormat = 'huggingface' | 'gguf'

export interface OutputFlags {
  readonly out: string
  readonly format: OutputFormat
  readonly overwrite: boolean
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

const openSink = (
  model: OpenedModel,
  path: string,
  { format, overwrite }: OutputFlags,
  provenance: readonly Provenance[],
): ParameterSink => {
  const files = model.family !== 'image' && model.files ? { files: model.files } : {}
  const options = { config: model.rawConfig, provenance, overwrite, ...files }
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
  if (!flags.overwrite) await refuseExisting(flags.out)
  if (flags.format === 'gguf' && model.family !== 'language') {
    throw new CompressionError('UNSUPPORTED', `GGUF has no place for ${model.architecture}.`, 'Use --format huggingface.', {
      architecture: model.architecture,
    })
  }
  return {
    sink: (role, provenance) => (role === 'between' ? memorySink() : openSink(model, path, flags, provenance)),
    saved: async small => {
      const { bytes, parameters } = sizeOfModel(small)
      return { path, bytes, parameters, notes: notesOf(small.params), close: async () => small.params.close?.() }
    },
  }
}
