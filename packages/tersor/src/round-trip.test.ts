import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, createRng, forward, loadModel, pack, pipeline, type Method, type Model } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { eora } from '@tersor/low-rank'
import { openModel, picoLlama } from '@tersor/models'
import { sparseGpt, wanda } from '@tersor/pruning'
import { gptq } from '@tersor/quantization'
import { describe as describeTree } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SITE = 'model.layers.0.mlp.down_proj.weight'
let folder = ''
let calibration: tf.Tensor[] = []

beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-round-trip-'))
  const rng = createRng(4)
  calibration = [0, 1, 2, 3].map(() =>
    tf.tensor2d(
      Int32Array.from({ length: 128 }, () => rng.integer(256)),
      [4, 32],
      'int32',
    ),
  )
})
afterAll(async () => {
  tf.dispose(calibration)
  await rm(folder, { recursive: true, force: true })
})

const sparse = sparseGpt({ pattern: '2:4' })
const coded = gptq({ bits: 4, group: 16 })
const repaired = eora({ rank: 2 })

const logitsOf = async (model: Model): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const output = forward(model, calibration[0], { weights })
  const logits = Float32Array.from(await output.data())
  output.dispose()
  dispose()
  return logits
}

const ORDERS: readonly (readonly [name: string, steps: readonly Method[], tree: string])[] = [
  [
    'sparse, coded, repaired',
    [sparse, coded, repaired],
    'sum{base: bitmask{mask: u1, values: affine{data: u4, scale: f16}}, update: factored{u: bf16, v: bf16}}',
  ],
  [
    'sparse, repaired, coded',
    [sparse, repaired, coded],
    'sum{base: bitmask{mask: u1, values: affine{data: u4, scale: f16}}, update: factored{u: bf16, v: bf16}}',
  ],
  ['coded, repaired', [coded, repaired], 'sum{base: affine{data: u4, scale: f16}, update: factored{u: bf16, v: bf16}}'],
  ['free mask', [wanda({ sparsity: 0.3 })], 'bitmask{mask: u1, values: bf16}'],
]

it.each(ORDERS)('reads back to the same logits, bit for bit: %s', async (name, steps, tree) => {
  const small = await compress(picoLlama({ dtype: 'bf16', context: 32 }), pipeline(...steps), { calibration, seed: 2 })
  const expected = await logitsOf(small)
  const path = join(folder, name)
  const sink = () => huggingFaceSink(path, { config: small.rawConfig })
  await (await compress(small, pack(), { sink })).params.close?.()
  const opened = await openModel(path)
  expect(describeTree(await opened.params.read(SITE))).toBe(tree)
  expect(await logitsOf(opened)).toEqual(expected)
  await opened.close?.()
})

it.each([
  [
    [coded, sparse],
    'sparse-gpt at model.layers.0.self_attn.q_proj: "affine" has no part to compress again.\nPut this method before the one that produced it.',
  ],
  [
    [repaired, coded],
    'eora at model.layers.0.self_attn.q_proj: nothing was compressed there yet.\nPut it after the step whose error it should repair.',
  ],
])('refuses an order that cannot work and says what to move', async (steps, message) => {
  await expect(compress(picoLlama({ context: 32 }), pipeline(...steps), { calibration })).rejects.toMatchObject({
    code: 'COMPOSITION',
    message,
  })
})

it('keeps every zero of 2:4 through GPTQ', async () => {
  const zerosOf = async (steps: readonly Method[]) => {
    const { params } = await compress(picoLlama({ context: 32 }), pipeline(...steps), { calibration })
    const { weights, dispose } = await loadModel({ params, stages: picoLlama({ context: 32 }).stages })
    const zeros = Array.from(await weights(SITE).data(), value => value === 0)
    dispose()
    return zeros
  }
  const [before, after] = [await zerosOf([wanda({ pattern: '2:4' })]), await zerosOf([wanda({ pattern: '2:4' }), coded])]
  expect(before.filter(Boolean)).toHaveLength(before.length / 2)
  before.forEach((zero, i) => zero && expect(after[i]).toBe(true))
})
