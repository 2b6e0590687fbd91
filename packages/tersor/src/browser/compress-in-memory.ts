import type { Tensor } from '@tensorflow/tfjs-core'
import { compress, pack, pipeline, type ProgressEvent } from '@tersor/core'
import type { MemoryFileSystem } from '@tersor/formats/memory'
import type { FormatWriter, OpenSink } from '@tersor/models/internal/formats/format'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError, type ParameterSink } from '@tersor/tensor'
import { defined } from '../defined.js'
import type { FormatFlags, OutputFormat } from '../format-flags.js'
import { inFormatOf } from '../in-format-of.js'
import { notesOf } from '../output-notes.js'
import { refuseMisplaced, withStoredNames } from '../place-in-format.js'
import { handedDtype, plainIn } from '../plain-floats.js'
import { runReports, type LayerReport } from '../step-reports.js'
import { asItIs } from '../targets/as-it-is.js'
import { emptyImatrix, fillImatrix } from '../targets/importance.js'
import { inTarget } from '../targets/in-target.js'
import type { TargetName } from '../targets/targets.js'
import { withVariants } from '../targets/variants.js'
import { teeSink } from '../tee-sink.js'
import { openInMemory } from './model-in.js'
import { PAGE_FORMATS, pageFormat } from './page-formats.js'
import { makePageStep } from './page-steps.js'

/** What is to become of a model that lies in memory. */
export interface InMemoryRequest {
  /** Where the model was opened from, and where the result goes. */
  readonly fileSystem: MemoryFileSystem
  readonly model: OpenedModel
  /** What the result is called, without the end of a file's name: free in the file system. */
  readonly name: string
  /** As `--for` and `--bits` of the command line. */
  readonly for: TargetName
  readonly bits?: number
  /** Inputs to learn from; the caller disposes them. */
  readonly calibration?: readonly Tensor[]
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  /** Called while columns are weighed and weights are written. */
  readonly onAdvance?: (done: number, of: number, label: string) => void
}

/** What came of it. */
export interface InMemoryResult {
  /** What to open: a file, or a folder. */
  readonly path: string
  /** The result as it runs here: opened again where writing rounds, else with the very weights that were written. It reads of the model that was given: close it first. */
  readonly small: OpenedModel
  readonly format: OutputFormat
  /** Steps as calls; none where the writer of the format rounds. */
  readonly steps: readonly string[]
  readonly layers: readonly LayerReport[]
  /** What the format could not hold as it was, and the files of the result where there are several. */
  readonly notes: readonly string[]
}

const writerIn = (format: OutputFormat) => {
  const writer = pageFormat(format)?.writer
  if (writer) return writer
  throw new CompressionError('UNSUPPORTED', `A page does not write ${format}.`, `It writes ${PAGE_FORMATS.map(({ name }) => name).join(', ')}.`, { format }) // prettier-ignore
}

/** The file that the result is, or its folder. */
const pathFor = ({ end = '', fileIn }: FormatWriter, { family }: OpenedModel, name: string): string =>
  fileIn !== undefined || family === 'graph' ? name + end : name

/** Tells how many parameters were written, of how many. */
const countWrites = (sink: ParameterSink, { params }: OpenedModel, tell: NonNullable<InMemoryRequest['onAdvance']>): ParameterSink => {
  const { copy: _bytes, ...rest } = sink // nothing is gained by copying pieces within memory
  const of = params.names().length
  let done = 0
  return {
    ...rest,
    write: async (name, parameter) => {
      await sink.write(name, parameter)
      tell(++done, of, 'write')
    },
  }
}

const sinkOf = ({ format, ...options }: FormatFlags): Promise<OpenSink> => writerIn(format).sink(options)

/**
 * Compresses a model for a runtime within memory: what `tersor compress --for` does, without Node. A result appears whole or not at all.
 * Throws BAD_OPTION for bits that the runtime has not, UNSUPPORTED for a format without place for the model, what steps and formats throw,
 * or the signal's reason.
 */
export const compressInMemory = async (request: InMemoryRequest): Promise<InMemoryResult> => {
  const { fileSystem, model, seed = 0, signal = new AbortController().signal, onProgress = () => {} } = request
  const calibration = request.calibration ?? []
  const calibrated = calibration.length > 0
  const asked = { for: request.for, ...(request.bits === undefined ? {} : { bits: request.bits }), steps: [] }
  const given = { ...asked, format: 'huggingface' as OutputFormat, calibrate: calibrated ? ['calibration'] : [] }
  const target = await inTarget(model, given)
  const { type, form, dtype, checkpointFormat, format } = inFormatOf<FormatFlags>(model, target.flags)
  const flags: FormatFlags = { format, ...defined({ type, form, dtype, checkpointFormat }) }
  const writer = writerIn(format)
  const path = pathFor(writer, model, request.name)
  refuseMisplaced(model, { writer, format, formats: PAGE_FORMATS, out: path })
  const importance = target.weighs ? emptyImatrix() : undefined
  const open = await sinkOf(importance ? { ...flags, imatrix: importance } : flags)
  const steps = await Promise.all((target.steps ?? []).map(makePageStep))
  const reports = runReports(model)
  const { onAdvance = () => {} } = request
  const sink = (made: OpenedModel) => {
    const counted = countWrites(open(path, made, { provenance: made.provenance ?? [], fileSystem }), made, onAdvance)
    return plainIn(withStoredNames(counted, writer, made), handedDtype(writer, flags.dtype))
  }
  const kept = model.family === 'language' && !writer.rounds ? teeSink(sink) : undefined
  if (importance) await fillImatrix(importance, model, calibration, { signal, onProgress: onAdvance })
  const hear = (event: ProgressEvent): void => [reports.onProgress, onProgress].forEach(tell => tell(event))
  const small = await compress(model, steps.length === 0 ? asItIs : pipeline(...steps, ...(writer.packs ? [pack()] : [])), {
    ...{ seed, signal, onProgress: hear, ...(calibrated ? { calibration } : {}) },
    sink: kept?.sink ?? sink,
  })
  const close = async (): Promise<void> => small.params.close?.()
  const saved = await withVariants(
    { notes: notesOf(small.params, flags), close },
    { ...target, fs: fileSystem, makeStep: makePageStep, sinkOf, model, out: path, calibration, seed, signal, onProgress },
  )
  await saved.close()
  return {
    path,
    small: kept?.in(small) ?? (await openInMemory(fileSystem, path)),
    format,
    steps: target.steps ?? [],
    layers: reports.layers(),
    notes: saved.notes,
  }
}
