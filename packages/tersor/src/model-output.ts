import type { RunOptions } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation'
import type { GgufReport } from '@tersor/formats/gguf'
import { scratchFolder, type ScratchFolder } from '@tersor/formats/scratch'
import { nodeFileSystem } from '@tersor/formats/file-system'
import { checkReplaceable } from '@tersor/formats/mark'
import type { GraphModel } from '@tersor/models'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import { realpath, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
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
  /** Opens the result of the stopped run that is to be resumed, where it was killed after its last step. */
  readonly reopen?: () => Promise<OpenedModel>
  saved(model: OpenedModel): Promise<SavedModel>
}

/**
 * Throws OUTPUT_EXISTS where something stands at the path, or with --overwrite where Tersor did not write it; `file` is what is written
 * inside of a folder whose other files stay.
 */
export const refuseExisting = async (path: string, overwrite: boolean, file = path): Promise<void> => {
  const found = await stat(path).catch(() => undefined)
  if (!found) return
  if (overwrite) return checkReplaceable(nodeFileSystem(), found.isDirectory() ? file : path)
  throw new CompressionError('OUTPUT_EXISTS', `${path} exists already.`, 'Choose another --out, or pass --overwrite to replace it.', {
    path,
  })
}

/** The path without links, and without the part that is not there yet resolved. */
const realPath = async (path: string): Promise<string> => {
  const whole = resolve(path)
  return realpath(whole).catch(async () => (dirname(whole) === whole ? whole : join(await realPath(dirname(whole)), basename(whole))))
}

/** Throws OUTPUT_EXISTS where writing to the output would replace the model that is read, whatever --overwrite says. */
export const refuseSource = async (source: string, out: string): Promise<void> => {
  const [from, to] = [await realPath(source), await realPath(out)]
  const within = (path: string, folder: string): boolean => path === folder || path.startsWith(folder + sep)
  const stands = await stat(to).then(
    () => true,
    () => false,
  )
  const beside = (await stat(from).catch(() => undefined))?.isFile() ? dirname(from) === dirname(to) && sharesName(from, to) : false
  if (!within(from, to) && !(stands && within(to, from)) && !beside) return
  throw new CompressionError(
    'OUTPUT_EXISTS',
    `--out ${out} would replace the model that is read, ${source}.`,
    'Choose an --out elsewhere: a source is never written over.',
    { path: out, source },
  )
}

/** Whether two files are parts of one model, such as NAME.safetensors and NAME.json, or NAME.onnx and NAME.onnx_data. */
const sharesName = (from: string, to: string): boolean => {
  const stem = (path: string): string => basename(path).replace(/(\.safetensors|\.json|\.onnx(_data|\.data)?)$/, '')
  return stem(from) === stem(to)
}

type OpenSink = Awaited<ReturnType<typeof sinkOf>>

const HEAD = 'lm_head.weight'

/**
 * A sink for a model whose head may stop being its embedding on the way, as rotations make it: the config goes by what is written.
 * Files get a folder of their own where none is there.
 */
const openSink = (
  open: OpenSink,
  path: string,
  model: OpenedModel,
  { storesNames, ...rest }: Omit<FormatOptions, 'config'> & { readonly storesNames: boolean },
): ParameterSink => {
  const complete = 'completeConfig' in model ? model.completeConfig : undefined
  const mayUntie = (complete ?? model.rawConfig).tie_word_embeddings === true && !model.params.names().includes(HEAD)
  let hasHead = false
  const config = () => (mayUntie && hasHead ? { ...model.rawConfig, tie_word_embeddings: false } : model.rawConfig)
  const files = 'files' in model && model.files ? { files: model.files } : {}
  const carried = 'metadata' in model && model.metadata ? { carried: model.metadata } : {}
  const source = 'onnx' in model ? { source: model.onnx } : 'file' in model ? { tfjs: model.file } : {}
  const completed = complete
    ? { completeConfig: () => ({ ...complete, tie_word_embeddings: config().tie_word_embeddings ?? complete.tie_word_embeddings }) }
    : {}
  const make = () => open(path, { ...rest, ...files, ...carried, ...source, ...completed, config, mayUntie })
  const sink = path.endsWith('.gguf') ? inFolder(dirname(path), make) : make()
  const nameIn = storesNames && 'storedName' in model && model.storedName ? model.storedName : (name: string) => name
  const write = (name: string, parameter: Parameter): Promise<void> => {
    if (name === HEAD) hasHead = true
    return sink.write(nameIn(name), parameter)
  }
  return { ...sink, write }
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
    sink: (role, provenance) =>
      openSink(open, path, model, { provenance, overwrite, unfinished, storesNames: role === 'final' && keepsNames(flags.format) }),
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
