import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, type Model, type Pass } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { outputOf } from '@tersor/testing'

const CONFIG = {
  ...{ model_type: 'llama', vocab_size: 32, hidden_size: 16, intermediate_size: 24, max_position_embeddings: 32 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, rms_norm_eps: 1e-5, tie_word_embeddings: true },
}
/** A Llama of a few blocks with two key heads each. */
export const model = (layers = 2): Model => freshModel({ ...CONFIG, num_hidden_layers: layers }, { seed: 2, deviation: 0.3 })
export const calibration = (): tf.Tensor[] => {
  const rng = createRng(5)
  return [1, 2].map(() =>
    tf.tensor2d(
      Int32Array.from({ length: 16 }, () => rng.integer(32)),
      [2, 8],
      'int32',
    ),
  )
}

/** What a describePass of it takes. */
export const suite = { model: () => model(), calibration, calibrated: true }

/** Config and parameters of what a pass leaves, which runs. */
export const cutBy = async (pass: Pass, layers?: number) => {
  const batches = calibration()
  const small = (await compress(model(layers), pass, { calibration: batches, seed: 1 })) as Model & { readonly rawConfig: object }
  expect((await outputOf(small, batches[0])).every(Number.isFinite)).toBe(true)
  tf.dispose(batches)
  return { config: small.rawConfig, params: small.params }
}
