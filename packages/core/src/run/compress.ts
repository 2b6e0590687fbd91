import type { Tensor } from '@tensorflow/tfjs-core'
import { CompressionError, copyStore, hasCode, memorySink, type ParameterSink } from '@tersor/tensor'
import { repeatably } from '@tersor/kernels/repeatably'
import { allBatches } from './calibrate.js'
import { contextOf, type Run } from './context.js'
import { fingerprintOf } from './fingerprint.js'
import { eachSite } from './each-site.js'
import type { Batches, Context, Pass, Step } from '../step/method.js'
import type { Model } from '../model/model.js'
import type { ProgressEvent } from './progress-event.js'
import type { Provenance } from './provenance.js'
import { createRng } from './rng.js'
import type { Fingerprint, Scratch } from './scratch.js'
import { VERSION } from '../version.js'

export interface RunOptions<M extends Model = Model> {
  readonly calibration?: Batches
  /** Decides everything that is random; 0 where absent. */
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  /** Where the finished model goes, with all that is known of it by then; it stays in memory where absent. */
  readonly sink?: (model: M) => ParameterSink
  /** Where results of steps and activations past the limit wait, and what a stopped run leaves: memory where absent. */
  readonly scratch?: Scratch
  /** Goes on after the last stage that a stopped run finished in the scratch folder. */
  readonly resume?: boolean
  /** Opens the result of the run that is to be resumed, where that was stopped after it had put it in its place; it is made again where absent. */
  readonly reopen?: () => Promise<M>
  /** Bytes of activations that stay in memory where there is a scratch folder; 512 MiB where absent. */
  readonly activationBytes?: number
  /** What else decides the bytes of the result, such as the threads of the engine: a run goes on only where it is the same. */
  readonly facts?: Fingerprint
}

const ACTIVATION_BYTES = 512 * 2 ** 20

const asPass = (step: Step): Pass => (step.kind === 'pass' ? step : eachSite(step))

/** Runs steps in order; closed: a pipeline is itself a pass. */
export const pipeline = (...steps: readonly Step[]): Pass => {
  if (steps.length === 0) {
    throw new CompressionError('BAD_OPTION', 'A pipeline of no steps does nothing.', 'Pass at least one method or pass.')
  }
  return Object.freeze<Pass>({
    kind: 'pass',
    name: 'pipeline',
    steps: Object.freeze([...steps]),
    run: async (model, context) => {
      let current = model
      for (const [index, step] of steps.entries()) {
        const pass = asPass(step)
        const provenance = [...(current.provenance ?? []), ...(pass.steps ? [] : [provenanceOf(pass, context)])]
        context.signal.throwIfAborted()
        context.emit({ type: 'pass', pass: pass.name, index, of: steps.length })
        const next = await pass.run(current, context.within(index, pass.name))
        current = pass.steps ? next : { ...next, provenance }
        context.made(pass, current)
      }
      return current
    },
  })
}

const provenanceOf = (pass: Pass, context: Context): Provenance => ({
  method: pass.name,
  options: pass.options ?? {},
  seed: context.rng.seed,
  version: VERSION,
})

/** Writes down when the result is put in its place, so that a run killed in that moment is told from one that was not. */
const publishing = (sink: ParameterSink, scratch: Scratch): ParameterSink => ({
  ...sink,
  finish: async () => {
    await scratch.publish('publishing')
    const store = await sink.finish()
    await scratch.publish('published')
    return store
  },
})

/** Errors of these kinds, the caller's abort and what nobody foresaw may not come again; the others would. */
const mayPass = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted ||
  hasCode(error, 'DISK') ||
  hasCode(error, 'OUTPUT_EXISTS') ||
  !(error instanceof Error && error.name === 'CompressionError')

/** Leaves what a later run can go on with, or nothing; gives the error that says so. */
const leave = async (scratch: Scratch, error: unknown, signal: AbortSignal): Promise<unknown> => {
  const stages = scratch.finished()
  if (stages === 0 || !mayPass(error, signal)) {
    await scratch.remove().catch(() => {})
    return error
  }
  await scratch.close().catch(() => {})
  if (!hasCode(error, 'DISK')) return error
  const { message, fields } = error as CompressionError
  const [what, remedy] = message.split('\n')
  const kept = `${stages} finished stages are kept in ${scratch.path}: run it again with resume (--resume) to go on.`
  return new CompressionError('DISK', what, `${remedy} ${kept}`, { ...fields, resumable: scratch.path, stages }, error)
}

const checkOptions = ({ seed = 0, resume = false, scratch, activationBytes = 0 }: Omit<RunOptions, 'sink' | 'reopen'>): void => {
  if (!Number.isInteger(seed)) throw new CompressionError('BAD_OPTION', `seed is ${seed}.`, 'Pass an integer.', { seed })
  if (resume && !scratch)
    throw new CompressionError('BAD_OPTION', 'resume needs the folder of the run that stopped.', 'Pass scratch: scratchFolder(path).')
  if (!(activationBytes >= 0))
    throw new CompressionError('BAD_OPTION', `activationBytes is ${activationBytes}.`, 'Pass a number of bytes of at least 0.', {
      activationBytes,
    })
}

/** What tfjs says where no backend is loaded. */
const NO_BACKEND = /No backend found in registry/

/** tfjs says of a missing backend what only those who know it understand. */
const withEngine = (cause: unknown): unknown =>
  cause instanceof Error && NO_BACKEND.test(cause.message)
    ? new CompressionError(
        'NO_ENGINE',
        'No engine is loaded to compute with.',
        "Call await selectEngine() of @tersor/kernels first, or import '@tensorflow/tfjs-backend-cpu'.",
        {},
        cause,
      )
    : cause

/** Puts a finished model in its place. */
const publish = async <M extends Model>(model: M, { sink, scratch, signal }: RunOptions<M>): Promise<M> => {
  if (!sink && !scratch) return model
  const out = sink ? sink(model) : memorySink()
  const params = await copyStore(model.params, scratch ? publishing(out, scratch) : out, signal ? { signal } : {})
  return { ...model, params }
}

/**
 * Compresses a model: one step or a pipeline of them; the source model is left as it was.
 * With a scratch folder memory holds one stage and `activationBytes` of activations, and a stopped run can be resumed; without one the results
 * of steps are in memory until they are written.
 * Throws the step's own error, or the signal's reason; in both cases nothing stays allocated and the sink is aborted.
 */
export const compress = async <M extends Model>(model: M, step: Step, options: RunOptions<M> = {}): Promise<M> => {
  checkOptions(options)
  const { seed = 0, onProgress, scratch, activationBytes = ACTIVATION_BYTES } = options
  const signal = options.signal ?? new AbortController().signal
  const calibration = scratch && options.calibration ? await allBatches(options.calibration) : options.calibration
  const run: Run = {
    ...{ rng: createRng(seed), signal, emit: event => onProgress?.(event), ...(calibration ? { calibration } : {}) },
    ...{ activationBytes, reference: { model }, opened: new Set(), ...(scratch ? { scratch } : {}) },
  }
  const pass = step.kind === 'pass' && step.steps ? step : pipeline(step)
  const work = async (): Promise<M> => {
    const used = new Set([model.params])
    try {
      const small = await publish((await repeatably(() => pass.run(model, contextOf(run)))) as M, { ...options, signal })
      used.add(small.params)
      return small
    } catch (error) {
      throw withEngine(error)
    } finally {
      for (const store of run.opened) if (!used.has(store)) await store.close?.()
    }
  }
  if (!scratch) return work()
  const facts = options.facts ?? {}
  const batches = (calibration ?? []) as readonly Tensor[]
  const fingerprint = await fingerprintOf({ model, step: pass, seed, calibration: batches, signal, facts })
  const state = await scratch.begin(fingerprint, options.resume ?? false)
  try {
    const small = state === 'published' && options.reopen ? await options.reopen() : await work()
    await scratch.remove()
    return small
  } catch (error) {
    throw await leave(scratch, error, signal)
  }
}
