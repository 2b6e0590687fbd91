import * as tf from '@tensorflow/tfjs-core'
import type { Parameter, ParameterStore } from '@tersor/tensor'
import type { Activations } from './activations.js'
import { collector, observe, type Collector } from './calibrate.js'
import { decodedParameters } from '../model/decoded-parameters.js'
import type { Calibration } from '../step/method.js'
import type { Env, Model, Probe, Site, Stage, Tap } from '../model/model.js'

/** One stage over all batches: what goes in, its parameters as they stand, and what comes out. */
export interface StageView {
  readonly stage: Stage
  readonly index: number
  /** Absent where a model is walked without inputs. */
  readonly inputs?: Activations
  /** As it stands now; read from the store once, however often it is asked for. */
  read(name: string): Promise<Parameter>
  /** Puts a parameter in the place of another, read when it is wanted: what is gathered and put out from now on is by it. */
  put(name: string, read: () => Promise<Parameter>): void
  /** The decoded parameter, where a run through the stage has put it on the engine; it stays the view's. */
  loaded(name: string): tf.Tensor | undefined
  /** Runs the stage over all batches and shows the tap what its sites see; `after` each of them, tensors that the tap kept may be read. */
  gather(tap: Tap, after?: (batch: number) => Promise<void>): Promise<void>
  /** The same in the run that takes the batches on to the next stage, for visitors that change nothing, and shows the probe its places; call it once, at the end. */
  pass(tap: Tap, after?: (batch: number) => Promise<void>, probe?: Probe): Promise<void>
  /** Statistics of what the chosen sites see; freed with the view. */
  statistics(calibration: Calibration<any>, chosen: (site: Site) => boolean, after?: (batch: number) => Promise<void>): Promise<Collector>
  /** Hands over what the stage makes of each batch, which the body then owns; `change` sees it first, on the engine together with the stage. */
  eachOutput(
    body: (output: tf.Tensor, batch: number) => Promise<void>,
    change?: (output: tf.Tensor, batch: number) => tf.Tensor,
  ): Promise<void>
  /** What the stage makes of its inputs with its parameters as they stand; the caller disposes it. Only where there are inputs. */
  outputs(): Promise<Activations>
}

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined
  /** The index of the last stage that is to see inputs; all of them where absent. */
  readonly until?: number
}

interface OpenView extends StageView {
  advance(stage: Stage): Promise<void>
  dispose(): void
}

/** Parameters of a stage as they stand: each is read once and decoded once. */
const parametersOf = (store: Pick<ParameterStore, 'read'>, signal?: AbortSignal) => {
  const sources = new Map<string, () => Promise<Parameter>>()
  const parameters = new Map<string, Promise<Parameter>>()
  const read = (name: string): Promise<Parameter> => {
    const known = parameters.get(name) ?? sources.get(name)?.() ?? store.read(name, signal ? { signal } : {})
    parameters.set(name, known)
    return known
  }
  const decoded = decodedParameters(read, signal)
  const put = (name: string, from: () => Promise<Parameter>): void => {
    sources.set(name, from)
    parameters.delete(name)
    decoded.forget(name)
  }
  return { ...decoded, read, put }
}

type BatchBody = (output: tf.Tensor, batch: number) => Promise<void>

/** Runs stages over all batches with the parameters as they stand. */
const runsOf = ({ load, weights }: ReturnType<typeof parametersOf>, inputs: Activations | undefined, signal?: AbortSignal) => {
  /** Calls the body for each batch of inputs, with everything that the stage asks for loaded. */
  const eachBatch = async (of: Stage, body: (from: Activations, batch: number) => Promise<void>): Promise<void> => {
    if (!inputs) return
    await load(of.parameters)
    for (let batch = 0; batch < inputs.count; batch++) {
      signal?.throwIfAborted()
      await body(inputs, batch)
      await Promise.resolve()
    }
  }
  return {
    run: (
      stage: Stage,
      body: BatchBody,
      change = (output: tf.Tensor, _batch: number) => output,
      seen: Pick<Env, 'tap' | 'probe'> = {},
    ): Promise<void> =>
      eachBatch(stage, async (from, batch) =>
        body(await from.use(batch, x => tf.tidy(() => change(stage.run(x, { weights, ...seen }), batch))), batch),
      ),
    gather: (stage: Stage, tap: Tap, after?: (batch: number) => Promise<void>): Promise<void> =>
      eachBatch(stage, async (from, batch) => {
        await from.use(batch, x => observe(stage, x, weights, tap))
        await after?.(batch)
      }),
  }
}

const viewOf = (
  stage: Stage,
  index: number,
  store: Pick<ParameterStore, 'read'>,
  inputs: Activations | undefined,
  signal?: AbortSignal,
): OpenView => {
  const parameters = parametersOf(store, signal)
  const { run, gather } = runsOf(parameters, inputs, signal)
  const collectors: Collector[] = []
  const goOn = (output: tf.Tensor, batch: number): Promise<void> => inputs!.replace(batch, output)
  let passed = false
  const { read, put, loaded } = parameters
  return {
    ...{ stage, index, read, put, loaded, ...(inputs ? { inputs } : {}) },
    gather: (tap, after) => gather(stage, tap, after),
    statistics: async (calibration, chosen, after) => {
      const made = collector(calibration, chosen)
      collectors.push(made)
      await gather(stage, made.tap, after)
      await made.settle()
      return made
    },
    eachOutput: (body, change) => run(stage, body, change),
    outputs: async () => {
      const made = inputs!.empty()
      try {
        await run(stage, (output, batch) => made.replace(batch, output))
        return made
      } catch (error) {
        await made.dispose()
        throw error
      }
    },
    pass: async (tap, after, probe) => {
      passed = true
      const body = async (output: tf.Tensor, batch: number): Promise<void> => {
        await goOn(output, batch)
        await after?.(batch)
      }
      await run(stage, body, undefined, { tap, ...(probe ? { probe } : {}) })
    },
    advance: async next => {
      if (!passed) await run(next, goOn)
    },
    dispose: () => {
      parameters.dispose()
      collectors.forEach(each => each.dispose())
    },
  }
}

/**
 * Takes inputs through a model stage by stage; each becomes the next stage's by the parameters that the visitor left in place, or through the
 * stage that it gives back. Memory is one stage and the activations. The caller owns the inputs.
 */
export const followStages = async (
  { stages, params }: Pick<Model, 'stages'> & { readonly params: Pick<ParameterStore, 'read'> },
  inputs: Activations | undefined,
  { signal, until = stages.length - 1 }: FollowOptions,
  visit: (view: StageView) => Promise<Stage | void>,
): Promise<void> => {
  for (const [index, stage] of stages.entries()) {
    signal?.throwIfAborted()
    const view = viewOf(stage, index, params, inputs, signal)
    try {
      const next = (await visit(view)) ?? stage
      if (index < until) await view.advance(next)
    } finally {
      view.dispose()
    }
  }
}
