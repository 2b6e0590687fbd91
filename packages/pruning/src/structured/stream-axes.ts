import * as tf from '@tensorflow/tfjs-core'
import {
  decode,
  eachSiteStatistics,
  type Calibration,
  type Context,
  type Model,
  type Residual,
  type RotateRows,
  type Site,
} from '@tersor/core'
import { symmetricEigen } from '@tersor/kernels'

/** Σ xᵀx of what a site reads, (columns, columns). */
const moments: Calibration<tf.Tensor> = {
  init: (_site, columns) => tf.zeros([columns, columns]),
  update: (sum, x) => tf.add(sum, tf.matMul(x, x, true)),
}

/** Σ over norms of E[x̂ᵀx̂], of what they give without their weights w: E[xᵀx] / (w wᵀ); (size, size). */
const streamMoments = async (
  model: Model,
  { size, norms }: Residual,
  step: string,
  context: Pick<Context, 'calibration' | 'activations' | 'signal'>,
): Promise<Float32Array> => {
  const normBefore = new Map(norms.flatMap(({ weight, readers }) => readers.slice(0, 1).map(reader => [reader.parameter, weight] as const)))
  const chosen = ({ weight }: Site): boolean => normBefore.has(weight)
  let total: tf.Tensor = tf.zeros([size, size])
  try {
    await eachSiteStatistics(model, context, { step, calibration: moments, chosen }, async (site, { stats, rows }, view) => {
      const { parameter, offset = 0 } = normBefore.get(site.weight)!
      const norm = await view.read(parameter)
      const next = tf.tidy(() => {
        const w = tf.reshape(tf.add(decode(norm), offset), [size, 1])
        return tf.add(total, tf.divNoNan(stats as tf.Tensor, tf.mul(tf.matMul(w, w, false, true), rows)))
      })
      total.dispose()
      total = next
    })
    return await total.data<'float32'>()
  } finally {
    total.dispose()
  }
}

/** x · Qᵀ on a run of columns, Q: (size, size) with an axis in each row. */
const onto =
  (axes: Float32Array, size: number): RotateRows =>
  async (rows, width, { start, count }) => {
    const rotated = tf.tidy(() => {
      const x = tf.tensor2d(rows, [rows.length / width, width])
      const run = tf.matMul(tf.slice(x, [0, start], [-1, count]), tf.tensor2d(axes, [size, size]), false, true)
      return tf.concat([tf.slice(x, [0, 0], [-1, start]), run, tf.slice(x, [0, start + count], [-1, width - start - count])], 1)
    })
    try {
      return await rotated.data<'float32'>()
    } finally {
      rotated.dispose()
    }
  }

/** Rotates rows of the stream to its principal axes, those along which it varies most first. */
export const principalAxes = async (
  model: Model,
  residual: Residual,
  step: string,
  context: Pick<Context, 'calibration' | 'activations' | 'signal'>,
): Promise<RotateRows> => {
  const { size } = residual
  const { vectors } = await symmetricEigen(await streamMoments(model, residual, step, context), size) // ascending
  const axes = new Float32Array(size * size)
  for (let axis = 0; axis < size; axis++) axes.set(vectors.subarray((size - 1 - axis) * size, (size - axis) * size), axis * size)
  return onto(axes, size)
}
