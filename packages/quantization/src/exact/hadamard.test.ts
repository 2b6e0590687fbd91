import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type Model } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { describeExact, describePass, picoModel, randomRows, applyMethod, useEngine } from '@tersor/testing'
import { rotate } from '@tersor/kernels'
import { fromFloat32, memoryStore, toFloat32, type Dense, type ParameterStore } from '@tersor/tensor'
import { randomHadamard } from './hadamard-matrix.js'
import { hadamard } from './hadamard.js'
import { rtn } from '../rounding/rtn.js'

useEngine()

const suite = {
  model: () => picoLlama({ layers: 1, vocabulary: 64, seed: 5 }),
  calibration: () => [tf.tensor2d([Array.from({ length: 24 }, (_, i) => (i * 11) % 60)], [1, 24], 'int32')],
}
describePass(() => hadamard(), suite)
describeExact(() => hadamard(), suite)

const NAMES = ['in', 'norm', 'out'] as const

/** x · in, then its norm, read by out: (2, 4) with a stream of 4. */
const streamModel = (norm: readonly number[], given: Partial<Record<(typeof NAMES)[number], number[]>> = {}): Model => ({
  params: memoryStore({
    in: fromFloat32(given.in ?? randomRows(3, 4, 1).flat(), 'f32', [3, 4]),
    norm: fromFloat32(norm, 'f32', [4]),
    out: fromFloat32(given.out ?? randomRows(2, 4, 2).flat(), 'f32', [2, 4]),
  }),
  residual: {
    size: 4,
    writers: [{ parameter: 'in', axis: 1, count: 4 }],
    norms: [{ weight: { parameter: 'norm', axis: 0, count: 4 }, readers: [{ parameter: 'out', axis: 1, count: 4 }] }],
  },
  stages: [],
})

const valuesOf = async (model: Model, name: string): Promise<number[]> => [...toFloat32((await model.params.read(name)) as Dense)]

/** in · diag(norm) · outᵀ: what the network computes but for the length of the stream. */
const product = async (model: Model): Promise<number[]> => {
  const [a, norm, b] = await Promise.all(NAMES.map(name => valuesOf(model, name)))
  return [0, 1, 2].flatMap(i => [0, 1].map(j => norm.reduce((sum, n, k) => sum + a[4 * i + k] * n * b[4 * j + k], 0)))
}

/** A rotation without signs as a matrix: what it makes of unit vectors. */
const matrixOf = (size: number): Promise<Float32Array> =>
  rotate(
    Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0)),
    randomHadamard(size, () => 1),
  )

it.each([1, 2, 4, 12, 20, 24, 28, 36, 44, 64, 76, 192])('has an orthogonal matrix of %i with entries of one size', async n => {
  const q = await matrixOf(n)
  expect(q.every(value => Math.abs(Math.abs(value) - 1 / Math.sqrt(n)) < 1e-6)).toBe(true)
  let away = 0
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let dot = 0
      for (let k = 0; k < n; k++) dot += q[i * n + k] * q[j * n + k]
      away = Math.max(away, Math.abs(dot - (i === j ? 1 : 0)))
    }
  }
  expect(away).toBeLessThan(1e-5)
})

it('goes by blocks where it knows no matrix of that order', async () => {
  // 6 = 3 blocks of 2
  const q = await matrixOf(6)
  const root = Math.SQRT1_2
  expect([...q.slice(0, 12)].map(value => Math.round(value / root))).toEqual([1, 1, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0])
})

it('multiplies by what the doubling of a matrix gives, signs first', async () => {
  // 24 = 2 · 12: [[P, P], [P, −P]] / √24, P of order 12 with entries ±1
  const [q, p] = [await matrixOf(24), await matrixOf(12)]
  for (let r = 0; r < 24; r++)
    for (let c = 0; c < 24; c++)
      expect(q[24 * r + c]).toBeCloseTo((p[12 * (r % 12) + (c % 12)] * (r >= 12 && c >= 12 ? -1 : 1)) / Math.SQRT2, 6)
  const signs = [1, -1] as const
  let at = 0
  const turned = await rotate(Float32Array.of(3, 1), randomHadamard(2, () => signs[at++])) // prettier-ignore
  expect([...turned].map(value => value * Math.SQRT2)).toEqual([expect.closeTo(2, 5), expect.closeTo(4, 5)])
})

it('turns by hand: signs, the norm in its reader and ones in its place', async () => {
  const model = streamModel([2, 1, 1, 1], { in: [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], out: [1, 0, 0, 0, 0, 0, 0, 0] })
  const small = await compress(model, hadamard())
  const spread = await valuesOf(small, 'in')
  expect(spread.map(Math.abs)).toEqual([4, 4, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0])
  expect(await valuesOf(small, 'norm')).toEqual([1, 1, 1, 1])
  expect((await valuesOf(small, 'out')).map(Math.abs)).toEqual([1, 1, 1, 1, 0, 0, 0, 0])
  expect((await product(small))[0]).toBeCloseTo(16, 5)
})

it('keeps what the network computes, with signs that the seed decides', async () => {
  const model = streamModel([1, -2, 3, 0.5])
  const [a, b, c] = await Promise.all([1, 1, 5].map(seed => compress(model, hadamard(), { seed })))
  const before = await product(model)
  ;(await product(a)).forEach((value, i) => expect(value).toBeCloseTo(before[i], 5))
  expect(await valuesOf(a, 'in')).toEqual(await valuesOf(b, 'in'))
  expect(await valuesOf(a, 'in')).not.toEqual(await valuesOf(c, 'in'))
})

it('refuses what it cannot turn', async () => {
  await expect(compress(picoModel(), hadamard())).rejects.toThrow(
    'hadamard finds nothing in this model that can be turned.\nUse a network of @tersor/models',
  )
  const model = streamModel([1, 1, 1, 1])
  const out = await applyMethod(rtn(), { weight: randomRows(2, 4, 2) })
  const rounded = { ...model, params: memoryStore({ in: await model.params.read('in'), norm: await model.params.read('norm'), out }) }
  await expect(compress(rounded, hadamard())).rejects.toThrow(
    'hadamard would change "out", which is compressed already (affine).\nPut hadamard before the step that compressed it.',
  )
  expect(() => hadamard({ residual: false, heads: false })).toThrow(
    'hadamard: with neither residual nor heads it does nothing.\nLeave one of them true.',
  )
})

it('says that the stream cannot be turned where only heads are', async () => {
  const { residual: _none, ...model } = streamModel([1, 1, 1, 1])
  const channels = (parameter: string) => [{ parameter, axis: 1, count: 4 }]
  const stage = {
    name: 's',
    parameters: ['in', 'out'],
    sites: [],
    run: (x: tf.Tensor) => x,
    rotations: [{ size: 4, from: channels('in'), to: channels('out') }],
  }
  const messages: string[] = []
  const onProgress = (event: { readonly type: string; readonly message?: string }) =>
    void (event.type === 'warning' && messages.push(event.message!))
  await compress({ ...model, stages: [stage] }, hadamard(), { onProgress })
  expect(messages).toEqual([expect.stringMatching(/^the stream between blocks of this network cannot be turned/)])
})

it.each([NaN, Infinity])('tells a weight that is %p, wherever it stands', async broken => {
  const model = streamModel([1, 2, 3, 4])
  const name = 'out'
  const values = toFloat32((await model.params.read(name)) as Dense).slice()
  values[7] = broken
  const params: ParameterStore = {
    ...model.params,
    read: async (asked, options) =>
      asked === name ? fromFloat32(values, 'f32', model.params.info(name).shape) : model.params.read(asked, options),
  }
  await expect(compress({ ...model, params }, hadamard())).rejects.toMatchObject({
    code: 'NOT_FINITE',
    message: `Weight 7 of "${name}" is NaN or infinite.\nRepair or replace the checkpoint: nothing computed from it would hold.`,
  })
})

it('refuses to turn heads whose values were sorted, and turns the stream of such a network', async () => {
  const sorted = { ...(await picoLlama({ layers: 1, vocabulary: 64, seed: 5 })), sorted: { multiples: { sizes: 1 } } }
  await expect(compress(sorted, hadamard())).rejects.toThrow(/values of heads that were sorted[^]*Put hadamard before uniql/)
  await expect(compress(sorted, hadamard({ heads: false }))).resolves.toBeDefined()
})
