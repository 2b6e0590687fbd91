import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '@tersor/kernels/gradients'
import { CompressionError } from '@tersor/tensor'
import { decodedParameters } from '../model/decoded-parameters.js'
import type { Model, Stage, Weights } from '../model/model.js'
import type { Context } from '../step/method.js'
import { crossEntropy } from '../train/losses.js'
import type { Activations } from './activations.js'
import { collectBatches } from './calibrate.js'
import { followStages } from './stage-view.js'

/** The mean over batches of the gradient of one parameter, and what it stands for; both the walk's. */
export type VisitGradient = (name: string, gradient: tf.Tensor, weight: tf.Tensor) => Promise<void> | void

const refusal = (step: string, stage: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${step} follows gradients, and none pass through "${stage}".`,
    'Use what looks at weights or inputs alone, such as unit-norm or unit-activation, or a network of @tersor/models.',
    { step, stage },
  )

/** What a loss says of a batch: its gradient by what the network answered, of the answer's shape; made in a tidy. */
export type OutputGradient = (answer: { readonly input: tf.Tensor; readonly output: tf.Tensor; readonly batch: number }) => tf.Tensor

/** What the network should have answered: the next token of each, or, of what is no text, what it answers itself; int32, −1 where nothing is known. */
const targetOf = (input: tf.Tensor, output: tf.Tensor): tf.Tensor => {
  const isText = input.dtype === 'int32' && output.rank === input.rank + 1 && output.shape[1] === input.shape[1]
  if (!isText) return tf.cast(tf.argMax(output, -1), 'int32')
  const [batch, positions] = input.shape
  return tf.concat([tf.slice(input, [0, 1], [batch, positions - 1]), tf.fill([batch, 1], -1, 'int32')], 1)
}

/** Copies of what each stage is given, and the last stage's answers. */
const inputsOfStages = async (model: Model, step: string, context: Pick<Context, 'calibration' | 'activations' | 'signal'>) => {
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
const pullBack = (stage: Stage, x: tf.Tensor, dy: tf.Tensor, names: readonly string[], weights: Weights): Pulled => {
  const isFloat = x.dtype === 'float32'
  const found = tf.tidy(() => {
    const given = [...(isFloat ? [x] : []), ...names.map(weights)]
    const run = (...tensors: tf.Tensor[]): tf.Tensor => {
      const own = new Map(names.map((name, i) => [name, tensors[i + (isFloat ? 1 : 0)]]))
      return stage.run(isFloat ? tensors[0] : x, { weights: name => own.get(name) ?? weights(name) })
    }
    return tf.grads(run)(given, dy)
  })
  return isFloat ? { input: found[0], weights: found.slice(1) } : { weights: found }
}

/** Sums by parameter; those that earlier stages read too wait for these. */
const gradientSums = (stages: readonly Stage[]) => {
  const sums = new Map<string, tf.Tensor>()
  const isDone = (name: string, at: number): boolean => stages.every(({ parameters }, i) => i >= at || !parameters.includes(name))
  return {
    add: (name: string, gradient: tf.Tensor): void => {
      const before = sums.get(name)
      sums.set(name, before ? tf.add(before, gradient) : tf.clone(gradient))
      before?.dispose()
    },
    take: (at: number): readonly (readonly [string, tf.Tensor])[] => {
      const done = [...sums].filter(([name]) => isDone(name, at))
      done.forEach(([name]) => sums.delete(name))
      return done
    },
    dispose: (): void => sums.forEach(sum => sum.dispose()),
  }
}

const ofCrossEntropy: OutputGradient = ({ input, output }) => {
  const target = targetOf(input, output)
  return tf.grad(y => crossEntropy(y, { input, target }))(output)
}

/** Puts the gradient of the loss in the place of what the network answered. */
const lossGradients = async (inputs: Activations, outputs: Activations, of: OutputGradient): Promise<void> => {
  for (let batch = 0; batch < outputs.count; batch++) {
    const gradient = await inputs.use(batch, input => outputs.use(batch, output => tf.tidy(() => of({ input, output, batch }))))
    await outputs.replace(batch, gradient)
  }
}

/**
 * Gradients of a mean loss over calibration, stage by stage from the last to the first: of the cross-entropy of next tokens for text and of
 * the network's own answers for what has none, or of what `of` gives as the loss's gradient by the answers. Memory is one stage and the inputs of all stages, which go to the scratch folder beyond the limit.
 * Visits every float parameter that a stage reads, once. Throws NO_CALIBRATION; UNSUPPORTED where no gradients pass.
 */
export const walkGradients = async (
  model: Model,
  step: string,
  context: Pick<Context, 'calibration' | 'activations' | 'signal'>,
  visit: VisitGradient,
  of: OutputGradient = ofCrossEntropy,
): Promise<void> => {
  registerGradients()
  const { kept, outputs, dispose } = await inputsOfStages(model, step, context)
  const sums = gradientSums(model.stages)
  try {
    await lossGradients(kept[0], outputs, of)
    for (let at = model.stages.length - 1; at >= 0; at--) await takeStage(model, at, kept[at], outputs, sums, context.signal, visit)
  } finally {
    sums.dispose()
    await dispose()
  }
}

const takeStage = async (
  { stages, params }: Model,
  at: number,
  inputs: Activations,
  gradients: Activations,
  sums: ReturnType<typeof gradientSums>,
  signal: AbortSignal,
  visit: VisitGradient,
): Promise<void> => {
  const stage = stages[at]
  const { load, weights, dispose } = decodedParameters(name => params.read(name, { signal }), signal)
  try {
    await load(stage.parameters)
    const names = [...new Set(stage.parameters)].filter(name => weights(name).dtype === 'float32')
    for (let batch = 0; batch < inputs.count; batch++) {
      signal.throwIfAborted()
      const pulled = await inputs.use(batch, x => gradients.use(batch, dy => pullBack(stage, x, dy, names, weights)))
      names.forEach((name, i) => sums.add(name, pulled.weights[i]))
      tf.dispose([...pulled.weights])
      if (pulled.input) await gradients.replace(batch, pulled.input)
    }
    for (const [name, sum] of sums.take(at)) {
      const mean = tf.div(sum, inputs.count)
      sum.dispose()
      try {
        await visit(name, mean, weights(name))
      } finally {
        mean.dispose()
      }
    }
  } finally {
    dispose()
  }
}
