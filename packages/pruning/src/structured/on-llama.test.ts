import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress, createRng, switchedOff, type Model, type Pass } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { describePass, outputOf, relativeError } from '@tersor/testing'
import { flap } from './flap.js'
import { minitron } from './minitron.js'
import { shortGpt } from './short-gpt.js'
import { sliceGpt } from './slice-gpt.js'
import { structured } from './structured.js'
import { unitTaylor } from './unit-taylor.js'

const CONFIG = {
  ...{ model_type: 'llama', vocab_size: 32, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 4, max_position_embeddings: 32 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, rms_norm_eps: 1e-5, tie_word_embeddings: true },
}
const model = (): Model => freshModel(CONFIG, { seed: 2, deviation: 0.3 })
const calibration = (): tf.Tensor[] => {
  const rng = createRng(5)
  return [1, 2].map(() =>
    tf.tensor2d(
      Int32Array.from({ length: 16 }, () => rng.integer(32)),
      [2, 8],
      'int32',
    ),
  )
}

const suite = { model, calibration, calibrated: true }
describePass(() => shortGpt({ keep: 0.5 }), suite)
describePass(() => minitron({ neurons: 0.5, heads: 0.5, stream: 0.75, depth: 0.75 }), suite)

describePass(() => sliceGpt({ keep: 0.75 }), suite)

describe('networks that are cut', () => {
  beforeAll(() => tf.setBackend('ort'))

  const shapesBehind = async (pass: Pass) => {
    const batches = calibration()
    const small = (await compress(model(), pass, { calibration: batches, seed: 1 })) as Model & { readonly rawConfig: object }
    expect((await outputOf(small, batches[0])).every(Number.isFinite)).toBe(true)
    tf.dispose(batches)
    return { config: small.rawConfig, couplings: small.couplings ?? [], params: small.params }
  }

  it('keep a config of their kind: widths, heads, the stream and depth', async () => {
    const { config } = await shapesBehind(minitron({ neurons: 0.5, heads: 0.5, stream: 0.75, depth: 0.5 }))
    expect(config).toMatchObject({ intermediate_size: 12, num_attention_heads: 2, num_key_value_heads: 1, hidden_size: 12, num_hidden_layers: 2 }) // prettier-ignore
  })

  it('differ by block where blocks are compared', async () => {
    const { config } = await shapesBehind(structured({ score: unitTaylor(), keep: 0.5, among: 'kind' }))
    const widths = (config as { readonly intermediate_size: readonly number[] | number }).intermediate_size
    expect([widths].flat().reduce((sum, width) => sum + width, 0)).toBe(Array.isArray(widths) ? 48 : 12)
  })

  it('have biases behind FLAP, which the config tells', async () => {
    const { config, params } = await shapesBehind(flap({ keep: 0.6 }))
    expect(config).toMatchObject({ attention_bias: true, mlp_bias: true })
    expect(params.names()).toContain('model.layers.0.mlp.down_proj.bias')
  })

  it('have a stream of the axes along which it varies most, and a head of their own', async () => {
    const { config, params } = await shapesBehind(sliceGpt({ keep: 0.8, multiple: 4 }))
    expect(config).toMatchObject({ hidden_size: 12, tie_word_embeddings: false })
    expect(params.info('lm_head.weight').shape).toEqual([32, 12])
  })

  it('answer as before where the stream stands in a plane and its axes stay', async () => {
    // the stream is written in the first half of its channels only, so half of its axes carry nothing
    const flat = switchedOff(model(), { keep: new Map([['stream', [0, 1, 2, 3, 4, 5, 6, 7]]]) })
    const batches = calibration()
    const small = await compress(flat, sliceGpt({ keep: 0.5 }), { calibration: batches, seed: 1 })
    const [ours, whole] = [await outputOf(small, batches[0]), await outputOf(flat, batches[0])]
    expect(relativeError(whole, ours)).toBeLessThan(1e-3)
    tf.dispose(batches)
  })

  it('lose the block that turns its inputs least', async () => {
    const { config } = await shapesBehind(shortGpt({ keep: 0.75 }))
    expect(config).toMatchObject({ num_hidden_layers: 3 })
  })
})

it.each([
  [() => minitron({}), 'does nothing'],
  [() => minitron({ depth: 1.5 }), 'depth'],
  [() => shortGpt({ keep: 1 }), 'keep'],
  [() => flap({ keep: 2 }), 'keep'],
])('options are checked: %#', (make, word) => {
  expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) }))
})

it('networks without blocks are refused', async () => {
  const { blocks: _blocks, ...flat } = model()
  await expect(compress(flat, shortGpt({ keep: 0.5 }), { calibration: calibration() })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})
