import type { RunOptions } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import type { GgufReport } from '@tersor/formats/gguf'
import { scratchFolder, type ScratchFolder } from '@tersor/formats/scratch'
import type { GraphModel, OpenedModel } from '@tersor/models'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import { rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import { sinkOf, type FormatOptions } from './output-formats.js'

export interface OutputFlags extends FormatFlags {
  readonly out: string
  readonly overwrite: boolean
  readonly resume: boolean
}

/** A saved model: what a report says of it. */
export interface SavedModel {
  /** What to pass as MODEL next time. */
  readonly path: string
  readonly bytes: number
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

type OpenSink = Awaited<ReturnType<typeof sinkOf>>

const HEAD = 'lm_head.weight'

/**
 * A sink for a model whose head may stop being its embedding on the way, as rotations make it: the config goes by what is written.
 * Files get a folder of their own where none is there.
 */
const openSink = (open: OpenSink, path: string, model: OpenedModel, rest: Omit<FormatOptions, 'config'>): ParameterSink => {
  const mayUntie = model.rawConfig.tie_word_embeddings === true && !model.params.names().includes(HEAD)
  let hasHead = false
  const config = () => (mayUntie && hasHead ? { ...model.rawConfig, tie_word_embeddings: false } : model.rawConfig)
  const files = 'files' in model && model.files ? { files: model.files } : {}
  const carried = 'metadata' in model && model.metadata ? { carried: model.metadata } : {}
  const source = 'onnx' in model ? { source: model.onnx } : 'file' in model ? { tfjs: model.file } : {}
  const make = () => open(path, { ...rest, ...files, ...carried, ...source, config, mayUntie })
  const sink = path.endsWith('.gguf') ? inFolder(dirname(path), make) : make()
  const write = (name: string, parameter: Parameter): Promise<void> => {
    if (name === HEAD) hasHead = true
    return sink.write(name, parameter)
  }
  return { ...sink, write }
}

/** Where the result stands: a file for GGUF, a folder otherwise. */
const placeOf = ({ format, out }: OutputFlags | DirectFlags): string =>
  format === 'gguf' && !out.endsWith('.gguf') ? join(out, 'model.gguf') : out

/** Graphs are written as they came: other formats hold no operators. */
const refuseForGraph = (model: GraphModel, format: OutputFormat): void => {
  if (format === model.format) return
  throw new CompressionError('UNSUPPORTED', `The format ${format} has no place for a graph.`, `Use --format ${model.format}.`, { format })
}

const refuseMisplaced = (model: OpenedModel, { format }: FormatFlags): void => {
  if (model.family === 'graph') return refuseForGraph(model, format)
  if (format === 'huggingface' || model.family === 'language') return
  throw new CompressionError('UNSUPPORTED', `The format ${format} has no place for ${model.architecture}.`, 'Use --format huggingface.', {
    architecture: model.architecture,
  })
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

const countsOf = (report: readonly GgufReport[]): string => {
  const counts = new Map<string, number>()
  for (const { type } of report) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].map(([type, count]) => `${count} ${type}`).join(', ')
}

/** Why a tensor has another type than the one that was asked for. */
const insteadText = ({ name, type, insteadOf }: GgufReport): string =>
  type === 'f32'
    ? `${name} is stored as f32, since its numbers go beyond f16, instead of ${insteadOf}`
    : `${name} is stored as ${type}, whose blocks its rows fill, instead of ${insteadOf}`

/** What a format could not hold as it was; where rounding was asked for, how many tensors of each type came of it. */
const notesOf = (store: object, { type }: FormatFlags): string[] => {
  const { report = [], notes = [] } = store as { readonly report?: readonly GgufReport[]; readonly notes?: readonly string[] }
  const others = report.filter(({ insteadOf }) => insteadOf !== undefined).map(insteadText)
  const rounded = report.filter(({ lossless }) => !lossless)
  if (type === undefined)
    return [...rounded.map(({ name, type: stored }) => `${name} is stored as ${stored}, rounded`), ...others, ...notes]
  const again = report.filter(entry => entry.again).length
  return [
    `tensors: ${countsOf(report)}`,
    ...(again > 0 ? [`${again} tensors were rounded before and are now rounded a second time, to ${type}`] : []),
    ...others,
    ...notes,
  ]
}

/** Prepares where a compressed model goes; throws OUTPUT_EXISTS before any work is done, and UNSUPPORTED for a format the model has no place in. */
export const openOutput = async (model: OpenedModel, flags: OutputFlags): Promise<ModelOutput> => {
  const path = placeOf(flags)
  const scratch = scratchFolder(`${flags.out.replace(/(?<=.)[/\\]+$/, '')}.partial`, { overwrite: flags.overwrite })
  const state = flags.resume ? await scratch.state() : 'none'
  const overwrite = flags.overwrite || state === 'publishing'
  if (!overwrite && state !== 'published') await refuseExisting(flags.out)
  refuseMisplaced(model, flags)
  const open = await sinkOf(flags)
  const unfinished = join(scratch.path, 'output')
  return {
    scratch,
    ...(state === 'published' ? { finished: path } : {}),
    sink: (_role, provenance) => openSink(open, path, model, { provenance, overwrite, unfinished }),
    saved: async small => {
      const { bytes } = sizeOfModel(small)
      return {
        path: model.family === 'graph' && model.format === 'tfjs' ? join(path, 'model.json') : path,
        bytes,
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
export const openDirectOutput = async (model: OpenedModel, flags: DirectFlags): Promise<DirectOutput> => {
  const path = placeOf(flags)
  if (!flags.overwrite) await refuseExisting(flags.out)
  refuseMisplaced(model, flags)
  const open = await sinkOf(flags)
  const sink = openSink(open, path, model, { provenance: model.provenance ?? [], overwrite: flags.overwrite })
  let notes: readonly string[] = []
  const finish = async () => {
    const store = await sink.finish()
    notes = notesOf(store, flags)
    return store
  }
  return { path, sink: { ...sink, finish }, notes: () => notes }
}
