import type { RunOptions } from '@tersor/core'
import { scratchFolder, type ScratchFolder } from '@tersor/formats/scratch'
import type { GraphModel } from '@tersor/models'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import { rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import { sinkOf, type FormatOptions } from './output-formats.js'
import { notesOf } from './output-notes.js'
import { refuseExisting, refuseSource } from './output-place.js'
import { weightBytes } from './weight-bytes.js'

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

type OpenSink = Awaited<ReturnType<typeof sinkOf>>

/** A sink for a finished model: files get a folder of their own where none is there. */
const openSink = (
  open: OpenSink,
  path: string,
  model: OpenedModel,
  { storesNames, ...rest }: Omit<FormatOptions, 'config'> & { readonly storesNames: boolean },
): ParameterSink => {
  const complete = 'completeConfig' in model ? model.completeConfig : undefined
  const config = () => model.rawConfig
  const files = 'files' in model && model.files ? { files: model.files } : {}
  const carried = 'metadata' in model && model.metadata ? { carried: model.metadata } : {}
  const source = 'onnx' in model ? { source: model.onnx } : 'file' in model ? { tfjs: model.file } : {}
  const completed = complete ? { completeConfig: () => complete } : {}
  const encoder = model.family === 'encoder' ? { encoder: model } : {}
  const make = () => open(path, { ...rest, ...files, ...carried, ...source, ...completed, ...encoder, config })
  const sink = path.endsWith('.gguf') ? inFolder(dirname(path), make) : make()
  const nameIn = storesNames && 'storedName' in model && model.storedName ? model.storedName : (name: string) => name
  return { ...sink, write: (name: string, parameter: Parameter) => sink.write(nameIn(name), parameter) }
}

/** Whether a format has the names of the file that the model came from, rather than names of its own. */
const keepsNames = (format: OutputFormat): boolean => !['gguf', 'onnx', 'tfjs'].includes(format)

/** Where the result stands: a file for GGUF, a folder otherwise. */
const placeOf = ({ format, out }: OutputFlags | DirectFlags): string =>
  format === 'gguf' && !out.endsWith('.gguf') ? join(out, 'model.gguf') : out

/** Graphs are written as they came: other formats hold no operators. */
const refuseForGraph = (model: GraphModel, format: OutputFormat): void => {
  if (format === model.format) return
  throw new CompressionError('UNSUPPORTED', `The format ${format} has no place for a graph.`, `Use --format ${model.format}.`, { format })
}

/** Formats by what they hold besides language models; all hold those. */
const HOLDS: Readonly<Partial<Record<OutputFormat, readonly OpenedModel['family'][]>>> = {
  huggingface: ['encoder', 'image'],
  onnx: ['encoder'],
}

const refuseMisplaced = (model: OpenedModel, { format, out }: FormatFlags & { readonly out: string }): void => {
  if (model.family === 'graph') return refuseForGraph(model, format)
  if (format === 'tfjs')
    throw new CompressionError(
      'UNSUPPORTED',
      `The format tfjs holds graphs and layers of TensorFlow.js, and ${model.architecture} is neither: nothing could load it.`,
      'Use --format onnx, which transformers.js and onnxruntime-web run in browsers, or gguf.',
      { format, architecture: model.architecture },
    )
  const holds = (each: OutputFormat): boolean => model.family === 'language' || (HOLDS[each] ?? []).includes(model.family)
  if (!holds(format)) {
    const others = (Object.keys(HOLDS) as OutputFormat[]).filter(holds).join(' or ')
    throw new CompressionError('UNSUPPORTED', `The format ${format} has no place for ${model.architecture}.`, `Use --format ${others}.`, {
      architecture: model.architecture,
    })
  }
  if (format === 'onnx' && out.toLowerCase().endsWith('.onnx'))
    throw new CompressionError(
      'BAD_OPTION',
      `--out ${out} names a file, and a network of text becomes a folder: its graph, config and tokenizer.`,
      'Choose an --out without .onnx at its end.',
      { out },
    )
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
const standOf = async (scratch: ScratchFolder, flags: OutputFlags) => {
  const { resume, overwrite } = flags
  try {
    const placed = await scratch.recover()
    const state = resume ? await scratch.state() : 'none'
    const replaces = overwrite || (state === 'publishing' && placed)
    if (state !== 'published') await refuseExisting(flags.out, replaces, placeOf(flags))
    return { overwrite: replaces, state }
  } catch (error) {
    await scratch.close()
    throw error
  }
}

/** Prepares where a compressed model goes; throws OUTPUT_EXISTS before any work is done, and UNSUPPORTED for a format the model has no place in. */
export const openOutput = async (model: OpenedModel, source: string, flags: OutputFlags): Promise<ModelOutput> => {
  await refuseSource(source, flags.out)
  const path = placeOf(flags)
  const scratch = scratchFolder(`${flags.out.replace(/(?<=.)[/\\]+$/, '')}.partial`, { overwrite: flags.overwrite })
  const { overwrite, state } = await standOf(scratch, flags)
  refuseMisplaced(model, flags)
  const open = await sinkOf(flags)
  const unfinished = join(scratch.path, 'output')
  return {
    scratch,
    ...(state === 'published' ? { reopen: () => openModel(path) } : {}),
    sink: small =>
      openSink(open, path, small, {
        ...{ provenance: small.provenance ?? [], overwrite, unfinished },
        storesNames: keepsNames(flags.format),
      }),
    saved: async small => {
      const written = model.family === 'graph' && model.format === 'tfjs' ? join(path, 'model.json') : path
      return {
        path: written,
        bytes: await weightBytes(written),
        notes: notesOf(small.params, flags),
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
  const path = placeOf(flags)
  await refuseSource(source, flags.out)
  await refuseExisting(flags.out, flags.overwrite, path)
  refuseMisplaced(model, flags)
  const open = await sinkOf(flags)
  const sink = openSink(open, path, model, {
    ...{ provenance: model.provenance ?? [], overwrite: flags.overwrite },
    storesNames: keepsNames(flags.format),
  })
  let notes: readonly string[] = []
  const finish = async () => {
    const store = await sink.finish()
    notes = notesOf(store, flags)
    return store
  }
  return { path, sink: { ...sink, finish }, notes: () => notes }
}
