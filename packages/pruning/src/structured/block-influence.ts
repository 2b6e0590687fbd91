import * as tf from '@tensorflow/tfjs-core'
import { collectBatches, followStages, type Context, type Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

/** Mean over rows of the cosine between what goes in and what comes out; (…, size) each. */
const meanCosine = (x: tf.Tensor, y: tf.Tensor): tf.Scalar => {
  const size = x.shape[x.rank - 1] as number
  const [a, b] = [tf.reshape(x, [-1, size]), tf.reshape(y, [-1, size])] // (rows, size)
  const lengths = tf.sqrt(tf.mul(tf.sum(tf.square(a), 1), tf.sum(tf.square(b), 1)))
  return tf.mean(tf.div(tf.sum(tf.mul(a, b), 1), tf.maximum(lengths, 1e-12))) as tf.Scalar
}

/**
 * Block influence of each whole block by name: 1 − E[cos(x, block(x))] over the tokens of calibration.
 * Throws NO_CALIBRATION; UNSUPPORTED for a network whose blocks cannot be left out.
 */
export const blockInfluence = async (
  model: Model,
  step: string,
  { calibration, activations, signal }: Pick<Context, 'calibration' | 'activations' | 'signal'>,
): Promise<ReadonlyMap<string, number>> => {
  const whole = new Map((model.blocks ?? []).filter(({ kind }) => kind === 'whole').map(({ name, stage }) => [stage, name]))
  if (whole.size === 0)
    throw new CompressionError('UNSUPPORTED', `${step} finds no blocks in this network that can be left out.`, 'Use it on a language model, an encoder or a ViT of @tersor/models.', { step }) // prettier-ignore
  const inputs = activations(await collectBatches(step, calibration))
  const influence = new Map<string, number>()
  try {
    await followStages(model, inputs, { signal }, async view => {
      const name = whole.get(view.stage.name)
      if (name === undefined) return
      let sum = 0
      await view.eachOutput(async (output, batch) => {
        const cosine = await inputs.use(batch, x => tf.tidy(() => meanCosine(x, output)))
        output.dispose()
        sum += (await cosine.data())[0]
        cosine.dispose()
      })
      influence.set(name, 1 - sum / inputs.count)
    })
    return influence
  } finally {
    await inputs.dispose()
  }
}

/** The blocks with the least influence, so that about such a share stays; one stays at least. */
export const leastInfluential = (influence: ReadonlyMap<string, number>, keep: number): ReadonlySet<string> => {
  const least = [...influence].sort(([, a], [, b]) => a - b)
  return new Set(least.slice(0, Math.min(least.length - 1, Math.round((1 - keep) * least.length))).map(([name]) => name))
}
