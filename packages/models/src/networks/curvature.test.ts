import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { batchMoments, createRng, crossEntropy, forward, loadModel, type Env } from '@tersor/core'
import { registerGradients } from '@tersor/kernels'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import { pixels, tiny } from './tiny-resnet.fixture.js'

beforeAll(() => void registerGradients())

const isSlow = process.env.TERSOR_SLOW === '1'

/** One block shows the rules of all. */
const SHALLOW = { num_hidden_layers: 1, n_layer: 1, stages: tiny.stages.map(stage => ({ ...stage, blocks: 1 })) }
const NETWORKS = ['llama', 'gemma2', 'qwen3_moe', 'gpt2', 'bert for classes', 'vit']
const ids = (): tf.Tensor =>
  tf.tensor2d(
    Int32Array.from({ length: 16 }, (_, i) => (i * 7 + 3) % 60),
    [2, 8],
    'int32',
  )

/** Curvature of the loss along a direction through all parameters, by two backward passes and by central differences of the gradient. */
const curvatures = async (config: string, step: number, env: Partial<Env> = {}): Promise<readonly [exact: number, expected: number]> => {
  const model = freshModel({ ...FRESH_CONFIGS[config], ...SHALLOW }, { seed: 5, deviation: 0.2 })
  const { weights, dispose } = await loadModel(model)
  const fixed = new Set(model.stages.flatMap(stage => stage.buffers ?? []))
  const names = model.params.names().filter(name => !fixed.has(name))
  const rng = createRng(6)
  const values = tf.tidy(() => {
    const at = names.map(weights)
    const direction = at.map(weight =>
      tf.tensor(
        Float32Array.from({ length: weight.size }, () => 0.1 * rng.normal()),
        weight.shape,
      ),
    )
    const input = 'imageShape' in model ? pixels(2) : ids()
    const target = model.family === 'language' ? ids() : tf.tensor1d([0, 1], 'int32')
    const loss = (...parameters: tf.Tensor[]): tf.Scalar => {
      const byName = new Map(names.map((name, i) => [name, parameters[i]]))
      return crossEntropy(forward(model, input, { ...env, weights: name => byName.get(name) ?? weights(name) }), { input, target })
    }
    const along = (gradients: readonly tf.Tensor[]) =>
      tf.addN(gradients.map((gradient, i) => tf.sum(tf.mul(gradient, direction[i])))) as tf.Scalar
    const slope = (...parameters: tf.Tensor[]) => along(tf.grads(loss)(parameters))
    const moved = (by: number) => slope(...at.map((weight, i) => tf.add(weight, tf.mul(direction[i], by)))).dataSync()[0]
    return [along(tf.grads(slope)(at)).dataSync()[0], (moved(step) - moved(-step)) / (2 * step)] as const
  })
  dispose()
  return values
}

describe.each(['cpu', 'ort'])('two backward passes give the curvature on %s', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))

  // rules are the same on every engine: tfjs's own takes a few, and all in the slow run
  it.each(backend === 'ort' || isSlow ? NETWORKS : NETWORKS.slice(0, 1))('%s', async name => {
    const [exact, expected] = await curvatures(name, 2e-3)
    expect(Math.abs(expected)).toBeGreaterThan(1e-2)
    expect(Math.abs(exact / expected - 1)).toBeLessThan(1e-2)
  })

  if (backend === 'ort' || isSlow)
    it('of a ResNet on batches of its own', async () => {
      // a step so short that it crosses no kink of a ReLU
      const [exact, expected] = await curvatures('resnet8', 1e-4, { moments: (_norm, y) => batchMoments(y) })
      expect(Math.abs(expected)).toBeGreaterThan(1e-2)
      expect(Math.abs(exact / expected - 1)).toBeLessThan(1e-2)
    })
})
