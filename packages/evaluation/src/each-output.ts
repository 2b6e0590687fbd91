import * as tf from '@tensorflow/tfjs-core'
import { activationsOf, followStages, forward, loadModel, type Model } from '@tersor/core'
import { replay } from '@tersor/kernels/replay'

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
  /** Of the input, where many batches have the same. */
  readonly shape?: readonly number[]
  /** What `reduce` holds the output against. */
  targets?(): tf.Tensor
  /** What is visited belongs to the caller. */
  visit(output: tf.Tensor): Promise<void>
}

/** What of an output is visited, all of it where absent; runs on the engine together with the network. */
type Reduce = (output: tf.Tensor, targets?: tf.Tensor) => tf.Tensor

/** Runs a network over batches and hands each output over; whatever happens, no tensor is left. */
export const eachOutput = async (
  model: Model,
  batches: readonly Batch[],
  { reduce = output => output, ...options }: EvaluationOptions & { readonly reduce?: Reduce } = {},
): Promise<void> => {
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
  await (options.hold === 'stage' ? stageByStage : allAtOnce)(model, batches, { visit, reduce, ...options })
}

interface Pass {
  readonly visit: (batch: Batch, output: tf.Tensor) => Promise<void>
  readonly reduce: Reduce
  readonly signal?: AbortSignal
}

/** So many batches of one shape are worth a graph of their own, which holds the weights a second time. */
const WORTH_RECORDING = 4

/** Runs the function, as one graph for batches of the shape that most have; where that cannot be recorded, plainly. */
const runner = async (batches: readonly Batch[], compute: (...inputs: tf.Tensor[]) => tf.Tensor) => {
  const counts = new Map<string, number>()
  for (const { shape } of batches) if (shape) counts.set(`${shape}`, (counts.get(`${shape}`) ?? 0) + 1)
  const [[common, count] = ['', 0]] = [...counts].sort((a, b) => b[1] - a[1])
  let recorded = count >= WORTH_RECORDING ? await replay((...inputs) => [compute(...inputs)], { embeds: true }) : undefined
  const plainly = (batch: Batch): tf.Tensor => compute(...inputsOf(batch))
  const run = (batch: Batch): tf.Tensor => {
    if (!recorded || `${batch.shape}` !== common) return plainly(batch)
    try {
      return tf.tidy(() => recorded!(...inputsOf(batch))[0])
    } catch {
      recorded.dispose() // a network that reads values or leaves the engine; errors of its own it gives again
      recorded = undefined
      return plainly(batch)
    }
  }
  return { run: (batch: Batch) => tf.tidy(() => run(batch)), dispose: () => recorded?.dispose() }
}

const inputsOf = (batch: Batch): readonly tf.Tensor[] => [batch.input(), ...(batch.targets ? [batch.targets()] : [])]

const allAtOnce = async (model: Model, batches: readonly Batch[], { visit, reduce, signal }: Pass): Promise<void> => {
  const { weights, dispose } = await loadModel(model, signal)
  const { run, dispose: forget } = await runner(batches, (input, targets) => reduce(forward(model, input, { weights }), targets))
  try {
    for (const batch of batches) {
      signal?.throwIfAborted()
      await visit(batch, run(batch))
    }
  } finally {
    forget()
    dispose()
  }
}

const stageByStage = async (model: Model, batches: readonly Batch[], { visit, reduce, signal }: Pass): Promise<void> => {
  const inputs = batches.map(batch => batch.input())
  const activations = activationsOf(inputs, Infinity)
  try {
    await followStages(model, activations, { signal }, async ({ index, eachOutput }) => {
      if (index < model.stages.length - 1) return
      await eachOutput(
        (output, at) => visit(batches[at], output),
        (output, at) => reduce(output, batches[at].targets?.()),
      )
    })
  } finally {
    await activations.dispose()
    tf.dispose(inputs)
  }
}
