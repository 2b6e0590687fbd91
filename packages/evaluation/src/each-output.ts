import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel, loadStage, type Model } from '@tersor/core'

export interface EvaluationOptions {
  readonly signal?: AbortSignal
  /** Called with how many windows or images are done, of how many. */
  readonly onProgress?: (done: number, of: number) => void
  /**
   * 'all' (the default) holds every weight on the device and one batch of activations;
   * 'stage' holds the weights of one stage and the activations of all batches: for networks larger than memory.
   */
  readonly hold?: 'all' | 'stage'
}

/** An input of the first stage, made when it is needed, and what is done with the network's output for it. */
export interface Batch {
  readonly size: number
  input(): tf.Tensor
  /** What of the output is visited, all of it where absent; runs on the engine together with the network. */
  reduce?(output: tf.Tensor): tf.Tensor
  /** What is visited belongs to the caller. */
  visit(output: tf.Tensor): Promise<void>
}

/** Runs a network over batches and hands each output over; whatever happens, no tensor is left. */
export const eachOutput = async (model: Model, batches: readonly Batch[], options: EvaluationOptions = {}): Promise<void> => {
  const of = batches.reduce((sum, batch) => sum + batch.size, 0)
  let done = 0
  const visit = async (batch: Batch, output: tf.Tensor): Promise<void> => {
    try {
      await batch.visit(output)
    } finally {
      output.dispose()
    }
    done += batch.size
    options.onProgress?.(done, of)
  }
  await (options.hold === 'stage' ? stageByStage : allAtOnce)(model, batches, visit, options.signal)
}

const reduced = (batch: Batch, output: tf.Tensor): tf.Tensor => batch.reduce?.(output) ?? output

type Visit = (batch: Batch, output: tf.Tensor) => Promise<void>

const allAtOnce = async (model: Model, batches: readonly Batch[], visit: Visit, signal?: AbortSignal): Promise<void> => {
  const { weights, dispose } = await loadModel(model, signal)
  try {
    for (const batch of batches) {
      signal?.throwIfAborted()
      await visit(
        batch,
        tf.tidy(() => reduced(batch, forward(model, batch.input(), { weights }))),
      )
    }
  } finally {
    dispose()
  }
}

const stageByStage = async (model: Model, batches: readonly Batch[], visit: Visit, signal?: AbortSignal): Promise<void> => {
  const activations: (tf.Tensor | undefined)[] = batches.map(() => undefined)
  try {
    for (const [index, stage] of model.stages.entries()) {
      const { weights, dispose } = await loadStage(model.params, stage, signal)
      try {
        for (const [i, batch] of batches.entries()) {
          signal?.throwIfAborted()
          const before = activations[i]
          const last = index === model.stages.length - 1
          const run = () => stage.run(before ?? batch.input(), { weights })
          const after = tf.tidy(() => (last ? reduced(batch, run()) : run()))
          if (before !== after) before?.dispose()
          activations[i] = last ? undefined : after
          if (last) await visit(batch, after)
        }
      } finally {
        dispose()
      }
    }
  } finally {
    tf.dispose(activations.filter(activation => activation !== undefined))
  }
}
