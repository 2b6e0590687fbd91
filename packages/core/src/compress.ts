import { CompressionError, memorySink, type ParameterSink } from '@tersor/tensor'
import { layerwise } from './layerwise.js'
import type { Batches, Context, Pass, ProgressEvent, Step } from './method.js'
import type { Model } from './model.js'
import type { Provenance } from './provenance.js'
import { createRng } from './rng.js'
import { VERSION } from './version.js'

export interface RunOptions {
  readonly calibration?: Batches
  /** Decides everything that is random; 0 where absent. */
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  /** Where parameters go: memory where absent. 'between' is for results that the next step reads and nobody keeps. */
  readonly sink?: (role: 'between' | 'final', provenance: readonly Provenance[]) => ParameterSink
}

const asPass = (step: Step): Pass => (step.kind === 'pass' ? step : layerwise(step))

/** Runs steps in order; closed: a pipeline is itself a pass. */
export const pipeline = (...steps: readonly Step[]): Pass => {
  if (steps.length === 0) {
    throw new CompressionError('BAD_OPTION', 'A pipeline of no steps does nothing.', 'Pass at least one method or pass.')
  }
  return Object.freeze<Pass>({
    kind: 'pass',
    name: 'pipeline',
    run: async (model, context) => {
      let current = model
      for (const [index, step] of steps.entries()) {
        context.signal.throwIfAborted()
        const pass = asPass(step)
        const isLast = index === steps.length - 1
        context.emit({ type: 'pass', pass: pass.name, index, of: steps.length })
        const provenance = [...(current.provenance ?? []), ...(pass.name === 'pipeline' ? [] : [provenanceOf(pass, context)])]
        const sink: Context['sink'] = isLast ? deeper => context.sink(deeper ?? provenance) : context.between
        const inner: Context = { ...context, rng: context.rng.fork(`${index}:${pass.name}`), sink }
        const next = await pass.run(current, inner)
        if (current !== model) await current.params.close?.()
        current = pass.name === 'pipeline' ? next : { ...next, provenance }
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

/**
 * Compresses a model: one step or a pipeline of them; the source model is left as it was.
 * Throws the step's own error, or the signal's reason; in both cases nothing stays allocated and the sink is aborted.
 */
export const compress = async <M extends Model>(model: M, step: Step, options: RunOptions = {}): Promise<M> => {
  const { calibration, seed = 0, onProgress, sink = () => memorySink() } = options
  if (!Number.isInteger(seed)) throw new CompressionError('BAD_OPTION', `seed is ${seed}.`, 'Pass an integer.', { seed })
  const context: Context = {
    ...(calibration ? { calibration } : {}),
    rng: createRng(seed),
    signal: options.signal ?? new AbortController().signal,
    emit: event => onProgress?.(event),
    sink: (provenance = []) => sink('final', provenance),
    between: () => sink('between', []),
    source: model,
  }
  const pass = step.kind === 'pass' && step.name === 'pipeline' ? step : pipeline(step)
  return (await pass.run(model, context)) as M
}
