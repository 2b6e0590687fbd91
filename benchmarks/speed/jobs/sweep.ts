import type * as tf from '@tensorflow/tfjs-core'
import type { Job, Site } from '@tersor/core'
import { createRng } from '@tersor/core'
import { sparseGpt } from '@tersor/pruning'
import { gptq } from '@tersor/quantization'
import { fromFloat32 } from '@tersor/tensor'
import type { Run, Settings } from '../serve.js'
import { normalTensor, positiveDefinite } from '../values.js'

/** What the methods here look at in a job. */
const jobOf = (stats: tf.Tensor, size: number): Job<tf.Tensor> => {
  const site: Site = { name: 'layer', weight: 'layer.weight', kind: 'linear', outAxis: 0, inAxis: 1 }
  const current = fromFloat32([0], 'f32', [1, 1])
  const never = new AbortController().signal
  const original = (): never => {
    throw new Error('No method timed here asks for the original weight.')
  }
  return { site, stats, samples: 2 * size, rng: createRng(0), signal: never, current, dtype: 'f32', original, warn: () => {} }
}

/** The whole method on an (n, n) layer whose Hessian is known: 4 bits in groups of 128, or half of the weights removed. */
export const prepare = ({ n, what }: Settings): Run => {
  const size = Number(n)
  const weight = normalTensor<tf.Tensor2D>([size, size], 3, 0.02)
  const job = jobOf(positiveDefinite(size, 1), size)
  const method = what === 'gptq' ? gptq({ bits: 4, group: 128, symmetric: false }) : sparseGpt({ sparsity: 0.5 })
  return () => method.apply(weight, job as Job<any>)
}
