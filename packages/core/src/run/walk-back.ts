import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '@tersor/kernels/gradients'
import { CompressionError } from '@tersor/tensor'
import { decodedParameters } from '../model/decoded-parameters.js'
import type { Model, Product, Stage, Weights } from '../model/model.js'
import type { Context } from '../step/method.js'
import type { Activations } from './activations.js'
import { collectBatches } from './calibrate.js'
import { followStages } from './stage-view.js'

type Given = Pick<Context, 'calibration' | 'activations' | 'signal'>

const refusal = (step: string, stage: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${step} follows gradients, and none pass through "${stage}".`,
    'Use what looks at weights or inputs alone, such as unit-norm or unit-activation, or a network of @tersor/models.',
    { step, stage },
  )

/** Copies of what each stage is given, and the last stage's answers. */
const inputsOfStages = async (model: Model, step: string, context: Given) => {
  const given = context.activations(await collectBatches(step, context.calibration))
  const kept: Activations[] = []
  const dispose = async (): Promise<void> => {
    for (const each of [given, ...kept]) await each.dispose()
  }
  try {
    await followStages(model, given, { signal: context.signal, until: model.stages.length }, async ({ stage, inputs }) => {
      if (stage.differentiable === false) throw refusal(step, stage.name)
      const copies = inputs!.empty()
      kept.push(copies)
      for (let batch = 0; batch < inputs!.count; batch++) await copies.replace(batch, await inputs!.use(batch, x => tf.clone(x)))
    })
    return { kept, outputs: given, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

interface Pulled {
  /** Of the input, unless it is whole numbers. */
  readonly input?: tf.Tensor
  readonly weights: readonly tf.Tensor[]
}

/** Gradients of Σ output ⊙ dy, of floats; the caller owns them. */
const pullBack = (
  stage: Stage,
  x: tf.Tensor,
  dy: tf.Tensor,
  names: readonly string[],
  env: { weights: Weights; product?: Product },
): Pulled => {
  const isFloat = x.dtype === 'float32'
  const found = tf.tidy(() => {
    const given = [...(isFloat ? [x] : []), ...names.map(env.weights)]
    const run = (...tensors: tf.Tensor[]): tf.Tensor => {
      const own = new Map(names.map((name, i) => [name, tensors[i + (isFloat ? 1 : 0)]]))
      return stage.run(isFloat ? tensors[0] : x, { ...env, weights: name => own.get(name) ?? env.weights(name) })
    }
    return tf.grads(run)(given, dy)
  })
  return isFloat ? { input: found[0], weights: found.slice(1) } : { weights: found }
}

/** A stage as a walk from the last to the first sees it. */
export interface StageBack {
  readonly stage: Stage
  readonly index: number
  /** What the stage is given, and what is pulled back: before `pull` to its outputs, after it to its inputs. */
  readonly inputs: Activations
  readonly gradients: Activations
  readonly weights: Weights
  /**
   * Pulls each batch back through the stage, with `product` in the place of its products; `take` sees the gradients of the named parameters,
   * which stay the walk's. To be called once.
   */
  pull(names: readonly string[], take?: (gradients: readonly tf.Tensor[]) => void, product?: Product): Promise<void>
}

const backOf = (
  stage: Stage,
  index: number,
  inputs: Activations,
  gradients: Activations,
  weights: Weights,
  signal: AbortSignal,
): StageBack => ({
  ...{ stage, index, inputs, gradients, weights },
  pull: async (names, take, product) => {
    const env = { weights, ...(product ? { product } : {}) }
    for (let batch = 0; batch < inputs.count; batch++) {
      signal.throwIfAborted()
      const pulled = await inputs.use(batch, x => gradients.use(batch, dy => pullBack(stage, x, dy, names, env)))
      take?.(pulled.weights)
      tf.dispose([...pulled.weights])
      if (pulled.input) await gradients.replace(batch, pulled.input)
    }
  },
})

/** How a walk back begins, and where it ends. */
export interface BackOptions {
  /** What is pulled back of a batch, in the shape of the outputs; called in a tidy, batch after batch. */
  readonly begin: (input: tf.Tensor, output: tf.Tensor) => tf.Tensor
  /** Called when all batches have begun. */
  readonly begun?: () => void
  /** The index of the last stage to visit, the first of the model where absent. */
  readonly until?: number
}

/**
 * Goes through a model from its answers to its inputs: whatever `begin` makes of the outputs over calibration is pulled back stage by stage.
 * Memory is one stage and the inputs of all stages, which go to the scratch folder beyond the limit.
 * Throws NO_CALIBRATION; UNSUPPORTED where no gradients pass.
 */
export const walkBack = async (
  model: Model,
  step: string,
  { signal, ...given }: Given,
  { begin, begun, until = 0 }: BackOptions,
  visit: (view: StageBack) => Promise<void>,
): Promise<void> => {
  registerGradients()
  const { stages, params } = model
  const { kept, outputs, dispose } = await inputsOfStages(model, step, { ...given, signal })
  try {
    for (let batch = 0; batch < outputs.count; batch++)
      await outputs.replace(batch, await kept[0].use(batch, x => outputs.use(batch, output => tf.tidy(() => begin(x, output)))))
    begun?.()
    for (let index = stages.length - 1; index >= until; index--) {
      const decoded = decodedParameters(name => params.read(name, { signal }), signal)
      try {
        await decoded.load(stages[index].parameters)
        await visit(backOf(stages[index], index, kept[index], outputs, decoded.weights, signal))
      } finally {
        decoded.dispose()
      }
    }
  } finally {
    await dispose()
  }
}
