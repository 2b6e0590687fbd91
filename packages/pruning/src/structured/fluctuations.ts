import * as tf from '@tensorflow/tfjs-core'
import { decode, eachSiteStatistics, type Calibration, type Context, type Model, type Site } from '@tersor/core'

/** What a site that reads units saw and is: per input channel the mean, the sample variance, and ‖W_:,j‖²; (in) each. */
export interface ReadChannels {
  readonly site: Site
  readonly mean: Float32Array
  readonly variance: Float32Array
  readonly squares: Float32Array
}

const sums: Calibration<{ readonly sum: tf.Tensor; readonly squares: tf.Tensor }> = {
  init: (_site, columns) => ({ sum: tf.zeros([columns]), squares: tf.zeros([columns]) }),
  update: ({ sum, squares }, x) => ({ sum: tf.add(sum, tf.sum(x, 0)), squares: tf.add(squares, tf.sum(tf.square(x), 0)) }),
}

const read = async (tensors: readonly tf.Tensor[]): Promise<readonly Float32Array[]> => {
  try {
    return await Promise.all(tensors.map(tensor => tensor.data<'float32'>()))
  } finally {
    tf.dispose([...tensors])
  }
}

/** Means and variances of what the chosen sites read, with the norms of the columns that read it; in the order of the stages. */
export const readChannels = async (
  model: Model,
  step: string,
  context: Pick<Context, 'calibration' | 'activations' | 'signal'>,
  chosen: (site: Site) => boolean,
): Promise<readonly ReadChannels[]> => {
  const found: ReadChannels[] = []
  await eachSiteStatistics(model, context, { step, calibration: sums, chosen }, async (site, { stats, rows }, view) => {
    const { sum, squares } = stats as { readonly sum: tf.Tensor; readonly squares: tf.Tensor }
    const weight = decode(await view.read(site.weight))
    const made = tf.tidy(() => {
      const mean = tf.div(sum, rows)
      const variance = tf.div(tf.relu(tf.sub(squares, tf.mul(rows, tf.square(mean)))), Math.max(1, rows - 1))
      const others = weight.shape.map((_, axis) => axis).filter(axis => axis !== site.inAxis)
      return [mean, variance, tf.sum(tf.square(weight), others)]
    })
    weight.dispose()
    const [mean, variance, columns] = await read(made)
    found.push({ site, mean, variance, squares: columns })
  })
  return found
}
