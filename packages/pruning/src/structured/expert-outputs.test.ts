import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress, forward, loadModel, type Model, type Pass } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { describePass } from '@tersor/testing'
import { fromFloat32, overlay, toFloat32, type Dense } from '@tersor/tensor'
import { minitron } from './minitron.js'
import { calibration } from './small-llama.fixture.js'
import { structured } from './structured.js'
import { unitActivation } from './unit-activation.js'

beforeAll(() => tf.setBackend('ort'))

const CONFIG = {
  ...{ model_type: 'mixtral', vocab_size: 32, hidden_size: 16, intermediate_size: 8, num_hidden_layers: 2, max_position_embeddings: 32 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, rope_theta: 10000, num_local_experts: 4, num_experts_per_tok: 2 },
}
const model = (): Model => freshModel(CONFIG, { seed: 2, deviation: 0.3 })
const place = (layer: number): string => `model.layers.${layer}.block_sparse_moe.experts`

/** The same with the last layer of an expert multiplied. */
const times = async (given: Model, expert: number, factor: number): Promise<Model> => {
  const name = `${place(1)}.${expert}.w2.weight`
  const weight = (await given.params.read(name)) as Dense
  const changed = fromFloat32(toFloat32(weight).map(value => factor * value), 'f32', weight.shape) // prettier-ignore
  return { ...given, params: overlay(given.params, new Map([[name, changed]])) }
}

const scoresOf = async (given: Model): Promise<readonly (readonly number[])[]> => {
  let found: readonly Float64Array[] = []
  const look: Pass = {
    ...{ kind: 'pass', name: 'look' },
    run: async (seen, context) => {
      const couplings = seen.couplings!.filter(({ kind }) => kind === 'experts' || kind === 'heads')
      found = (await unitActivation().of({ step: 'look', model: seen, couplings, context })).filter((_, i) => couplings[i].kind === 'experts') // prettier-ignore
      return seen
    },
  }
  const batches = calibration()
  const before = tf.memory().numTensors
  await compress(given, look, { calibration: batches })
  expect(tf.memory().numTensors).toBe(before)
  tf.dispose(batches)
  return found.map(each => [...each])
}

describePass(() => minitron({ experts: 0.5 }), { model, calibration, calibrated: true })

it('is the mean over tokens of what experts add, in every layer', async () => {
  const given = model()
  const batches = calibration()
  const { weights, dispose } = await loadModel(given)
  const wanted = [0, 1].map(() => [0, 0, 0, 0])
  for (const x of batches)
    forward(given, x, {
      weights,
      probe: (where, value) => {
        const [, layer, expert] = /(\d)\.block_sparse_moe\.experts\.(\d)\.outputs$/.exec(where) ?? []
        if (layer === undefined) return
        const rows = value().arraySync() as number[][]
        for (const row of rows) wanted[Number(layer)][Number(expert)] += Math.hypot(...row) / (batches.length * rows.length)
      },
    }).dispose()
  dispose()
  tf.dispose(batches)
  const found = await scoresOf(given)
  wanted.forEach((scores, layer) => scores.forEach((score, expert) => expect(found[layer][expert]).toBeCloseTo(score, 5)))
})

it('is nothing for an expert that adds nothing, and three times as much where it adds that', async () => {
  const [plain, silent, loud] = [await scoresOf(model()), await scoresOf(await times(model(), 2, 0)), await scoresOf(await times(model(), 2, 3))] // prettier-ignore
  expect(plain[1][2]).toBeGreaterThan(0)
  expect([silent[1][2], silent[1][0]]).toEqual([0, plain[1][0]])
  expect(loud[1][2]).toBeCloseTo(3 * plain[1][2], 5)
})

it('lets experts go that add nothing, by minitron and by structured', async () => {
  const given = await times(model(), 2, 0)
  const kept = await given.params.read(`${place(1)}.3.w1.weight`)
  for (const pass of [minitron({ neurons: 1, experts: 0.75 }), structured({ score: unitActivation(), units: ['experts'], keep: 0.75 })]) {
    const batches = calibration()
    const small = await compress(given, pass, { calibration: batches })
    tf.dispose(batches)
    expect((small as Model & { readonly rawConfig: object }).rawConfig).toMatchObject({ num_local_experts: 3, intermediate_size: 8 })
    expect(await small.params.read(`${place(1)}.2.w1.weight`)).toEqual(kept)
  }
})
