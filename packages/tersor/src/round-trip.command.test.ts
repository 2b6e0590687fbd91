import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { compress, createRng, forward, loadModel, pack, pipeline, type Method, type Model } from '@tersor/core'
import { ggufSink, parseGgufHeader } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { eora } from '@tersor/low-rank'
import { openModel, picoLlama } from '@tersor/models'
import { sparseGpt, wanda } from '@tersor/pruning'
import { gptq, kQuant } from '@tersor/quantization'
import { describe as describeTree } from '@tersor/tensor'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SITE = 'model.layers.0.mlp.down_proj.weight'
let folder = ''
let calibration: tf.Tensor[] = []

beforeAll(async () => {
  await tf.setBackend('ort')
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

/** Of the engine that adds in one order, wherever a weight lies in memory. */
const logitsOf = async (model: Model): Promise<Float32Array> => {
  await tf.setBackend('cpu')
  const { weights, dispose } = await loadModel(model)
  const output = forward(model, calibration[0], { weights })
  const logits = Float32Array.from(await output.data())
  output.dispose()
  dispose()
  await tf.setBackend('ort')
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

describe('k-quant', () => {
  const source = () => picoLlama({ hidden: 256, feedForward: 256, layers: 1, context: 32 })

  it('leaves in a GGUF file the bytes that quantizing while writing does, and no second rounding', async () => {
    const { rawConfig: given, params, stages } = source()
    const config = { ...given, bos_token_id: 0, eos_token_id: 0 }
    const tensorsOf = async (name: string, type: 'q3_k' | undefined, step: Method | undefined) => {
      const path = join(folder, name)
      const sink = () => ggufSink(path, { config, type })
      await (await compress({ params, stages }, step ?? pack(), { sink })).params.close?.()
      const bytes = await readFile(path)
      const { tensors } = parseGgufHeader(bytes, bytes.length)!
      return new Map([...tensors].map(([tensor, at]) => [tensor, [at.type, bytes.subarray(at.offset, at.offset + at.byteLength)]]))
    }
    const [ours, theirs] = [await tensorsOf('a.gguf', undefined, kQuant({ type: 'q3_k' })), await tensorsOf('b.gguf', 'q3_k', undefined)]
    const linear = [...ours].filter(([name]) => name.startsWith('blk.0.') && !name.includes('norm'))
    expect(linear).toHaveLength(7)
    for (const [name, [type, bytes]] of linear) expect([name, type, bytes]).toEqual([name, 'q3_k', theirs.get(name)![1]])
  })

  it('reads back from a folder as the same trees', async () => {
    for (const type of process.env.TERSOR_SLOW === '1' ? (['q2_k', 'q6_k', 'iq4_xs'] as const) : (['q6_k'] as const)) {
      const small = await compress(source(), kQuant({ type }))
      const path = join(folder, type)
      await (await compress(small, pack(), { sink: () => huggingFaceSink(path, { config: small.rawConfig }) })).params.close?.()
      const opened = await openModel(path)
      for (const name of opened.params.names()) expect(await opened.params.read(name)).toEqual(await small.params.read(name))
      await opened.close?.()
    }
  })
})
