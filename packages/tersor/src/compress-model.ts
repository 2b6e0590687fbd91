import * as tf from '@tensorflow/tfjs-core'
import { compress as run, pack, pipeline } from '@tersor/core'
import type { ScratchFolder } from '@tersor/formats/scratch'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { calibrationText, readCalibration } from './calibration.js'
import { garbageCollector } from './collect-garbage.js'
import type { CompressRequest, Hearing } from './compress-request.js'
import { describeRun } from './describe-run.js'
import { resultOf, type CompressionResult } from './compression-result.js'
import { engineFacts } from './engine-facts.js'
import type { FormatFlags, OutputFormat } from './format-flags.js'
import { noteMemory } from './memory-bound.js'
import { openOutput, type SavedModel } from './model-output.js'
import { note, paint, type Terminal } from './output.js'
import { refusePlanned } from './planned-layers.js'
import { measureQuality } from './quality.js'
import { runReports } from './step-reports.js'
import { teeSink } from './tee-sink.js'
import { verify, type Verification, type VerifyRequest } from './verify.js'
import { weightBytes } from './weight-bytes.js'
import { withModel } from './with-model.js'
import { writerOf } from './writer-of.js'

/** Runs steps on the model at a path and saves the result; what the command and `compressModel` do. */
export const runCompression = (
  terminal: Terminal,
  path: string,
  given: CompressRequest,
  hearing: Hearing,
): Promise<CompressionResult & { readonly verification?: Verification }> =>
  withModel(terminal, path, async (model, engine) => {
    const { onProgress, signal } = hearing
    const flags = inFormatOf(model, given)
    const started = Date.now()
    await refusePlanned(model, flags.steps, flags)
    noteMemory(terminal, model, workOf(flags))
    const output = await openOutput(model, path, flags)
    const { packs } = await writerOf(flags.format)
    const collectGarbage = garbageCollector()
    const reports = runReports(model)
    let calibration: tf.Tensor[] = []
    const kept = flags.verify ? teeSink(output.sink) : undefined
    const runSteps = async (): Promise<OpenedModel> =>
      run(model, pipeline(...flags.steps, ...(packs ? [pack()] : [])), {
        seed: flags.seed,
        signal,
        onProgress: event => {
          reports.onProgress(event)
          onProgress(event)
          collectGarbage()
        },
        sink: kept?.sink ?? output.sink,
        scratch: output.scratch,
        resume: flags.resume,
        ...(output.reopen ? { reopen: output.reopen } : {}),
        activationBytes: workOf(flags).activationBytes,
        facts: { ...(await engineFacts(engine)), config: JSON.stringify(model.rawConfig), format: formatText(flags) },
        ...(calibration.length > 0 ? { calibration } : {}),
      }).catch(async error => {
        throw signal.aborted ? await stopped(output.scratch, error) : error
      })
    try {
      calibration = await learnFrom(terminal, model, path, flags.calibrate)
      hearing.onOpened?.(model, calibration.length)
      const small = await runSteps()
      const saved = await output.saved(small)
      const verification = kept && (await verify(requestFor(model, saved, flags, kept.in(small), calibration[0])))
      tf.dispose(calibration.splice(0))
      const seconds = (Date.now() - started) / 1000
      const provenance = (small.provenance ?? []).slice(model.provenance?.length ?? 0)
      await saved.close()
      const quality =
        flags.quality === false
          ? undefined
          : await measureQuality({ model, path, saved: saved.path, evaluate: flags.evaluate, calibrate: flags.calibrate }, hearing)
      const bytesBefore = await weightBytes(path)
      const result = await resultOf({ model, path, saved, bytesBefore, provenance, reports, seconds, quality })
      if (flags.described !== false) await describeRun({ model, path, flags, result, facts: await engineFacts(engine) })
      return { ...result, ...(verification ? { verification } : {}) }
    } finally {
      await output.scratch.close()
      tf.dispose(calibration)
    }
  })

const formatText = ({ format, type, imatrix, form, checkpointFormat }: FormatFlags): string =>
  [format, type, imatrix, form, checkpointFormat].filter(Boolean).join(' ')

const workOf = ({ calibrate, activationMemory }: CompressRequest) => ({
  calibrated: calibrate !== undefined,
  activationBytes: activationMemory * 2 ** 20,
})

/** What calibration learns from, said in one line; nothing where none was given. */
const learnFrom = async (terminal: Terminal, model: OpenedModel, path: string, file: string | undefined): Promise<tf.Tensor[]> => {
  if (file === undefined) return []
  const batches = await readCalibration(model, file, path)
  note(terminal, paint(terminal, calibrationText(model, batches, file), 'dim'))
  return batches
}

const requestFor = (
  original: OpenedModel,
  { path }: SavedModel,
  { format, seed }: CompressRequest,
  compressed: OpenedModel | undefined,
  input: tf.Tensor | undefined,
): VerifyRequest => ({ path, format, seed, original, ...(compressed ? { compressed } : {}), ...(input ? { input } : {}) })

/** Graphs are written as they came unless another format is asked for. */
const inFormatOf = (model: OpenedModel, flags: CompressRequest): CompressRequest =>
  model.family === 'graph' && flags.format === 'huggingface' ? { ...flags, format: model.format as OutputFormat } : flags

/** What a user's stop left. */
const stopped = async (scratch: ScratchFolder, error: unknown): Promise<unknown> => {
  if ((await scratch.state()) === 'none') return error
  const remedy = `finished stages are kept in ${scratch.path}: run the command again with --resume to go on.`
  return new CompressionError('RESUME', 'The run was stopped.', remedy, { resumable: scratch.path }, error)
}
