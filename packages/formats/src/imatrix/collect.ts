import * as tf from '@tensorflow/tfjs-core'
import { loadStage, type Model, type Site, type Stage, type Weights } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { toGgufName } from '../gguf/names.js'
import type { Imatrix, ImatrixEntry } from './imatrix.js'

export interface CollectOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
  /** Names of the texts, kept in the file. */
  readonly datasets?: readonly string[]
}

/** Σ x² over the rows of an input, (in). */
const squares = async (x: tf.Tensor): Promise<Float32Array> => {
  const sums = tf.tidy(() => tf.sum(tf.square(tf.reshape(x, [-1, x.shape.at(-1)!])), 0))
  const values = await sums.data<'float32'>()
  sums.dispose()
  return values
}

/** What one stage's sites saw in one batch: their inputs, kept until their squares are read. */
const inputsOf = (run: (tap: (site: Site, input: tf.Tensor) => void) => tf.Tensor) => {
  const seen: { readonly site: Site; readonly input: tf.Tensor }[] = []
  const output = tf.tidy(() => run((site, input) => site.kind === 'linear' && seen.push({ site, input: tf.keep(tf.clone(input)) })))
  return { seen, output }
}

const add = (entries: Map<string, ImatrixEntry>, name: string, sums: Float32Array, rows: number): void => {
  const before = entries.get(name)
  entries.set(name, {
    sums: before ? sums.map((value, i) => value + before.sums[i]) : sums,
    calls: [(before?.calls[0] ?? 0) + rows],
  })
}

/** Runs one batch through a stage and adds the squares of what its sites saw; gives the stage's output. */
const observe = async (stage: Stage, input: tf.Tensor, weights: Weights, entries: Map<string, ImatrixEntry>): Promise<tf.Tensor> => {
  const { seen, output } = inputsOf(tap => stage.run(input, { weights, tap }))
  for (const { site, input: x } of seen) {
    const sums = await squares(x)
    x.dispose()
    if (!site.head) add(entries, toGgufName(site.weight), sums, x.size / sums.length)
  }
  return output
}

/**
 * Computes an importance matrix as llama-imatrix does: Σ x² of each input column of each linear layer, and over how many tokens.
 * batches: (texts, tokens) each, owned by the caller. Stage by stage: memory is one stage plus the activations.
 * Differs from llama.cpp: the head is left out, as its files have it by default. Throws NO_CALIBRATION without batches.
 */
export const collectImatrix = async (model: Model, batches: readonly tf.Tensor[], options: CollectOptions = {}): Promise<Imatrix> => {
  if (batches.length === 0)
    throw new CompressionError(
      'NO_CALIBRATION',
      'An importance matrix is made from inputs, and none were given.',
      'Pass batches of token ids.',
    )
  const { signal, onProgress, datasets = [] } = options
  const entries = new Map<string, ImatrixEntry>()
  const inputs = batches.map(batch => tf.clone(batch))
  try {
    for (const [index, stage] of model.stages.entries()) {
      const { weights, dispose } = await loadStage(model.params, stage, signal)
      try {
        for (const [at, input] of inputs.entries()) {
          signal?.throwIfAborted()
          inputs[at] = await observe(stage, input, weights, entries)
          input.dispose()
        }
      } finally {
        dispose()
      }
      onProgress?.(index + 1, model.stages.length)
    }
  } finally {
    tf.dispose(inputs)
  }
  const chunks = batches.reduce((sum, batch) => sum + batch.shape[0], 0)
  return { entries, chunks, chunkSize: batches[0].shape[1]!, datasets }
}
