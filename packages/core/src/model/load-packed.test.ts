import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32, memoryStore, type Parameter } from '@tersor/tensor'
import { affineOf } from '../codecs/affine.js'
import { maskedOf } from '../codecs/masked.js'
import { decode } from './decode.js'
import { loadPacked } from './load-packed.js'
import type { Model, Site, SiteProduct } from './model.js'

const affineMatrix = (rows: number, columns: number, bits: number, group: number): Parameter => {
  const groups = Math.ceil(columns / group)
  return affineOf({
    ...{ shape: [rows, columns], bits, group },
    codes: Array.from({ length: rows * columns }, (_, i) => (i * 7 + (i >> 3)) % 2 ** bits),
    scales: Array.from({ length: rows * groups }, (_, i) => 2 ** -(i % 4)),
    zeros: Array.from({ length: rows * groups }, (_, i) => i % 2 ** bits),
  })
}

const site = (name: string, kind: Site['kind'] = 'linear'): Site => ({ name, weight: name, kind, outAxis: 0, inAxis: 1 })

/** A linear layer about to multiply, whose weight nobody may unpack meanwhile. */
const asked = (name: string, input: tf.Tensor): SiteProduct => {
  const never = (): never => {
    throw new Error('unpacked')
  }
  return { site: site(name), input, weight: never, times: never, after: () => ({}) }
}

const modelOf = (params: Record<string, Parameter>, sites: readonly Site[]): Model => ({
  params: memoryStore(params),
  stages: [{ name: 'all', parameters: Object.keys(params), sites, run: x => x }],
})

beforeAll(() => tf.setBackend('cpu'))

it('keeps affine matrices of linear layers packed, and gives their products', async () => {
  const before = tf.memory().numTensors
  const [one, other] = [affineMatrix(5, 64, 4, 32), affineMatrix(6, 40, 3, 16)]
  const loaded = await loadPacked(modelOf({ one, other }, [site('one'), site('other')]))
  expect(loaded.packed).toEqual(['one', 'other'])
  for (const [name, parameter] of Object.entries({ one, other })) {
    const x = tf.tensor2d(
      Array.from({ length: 2 * parameter.shape[1] }, (_, i) => Math.sin(i)),
      [2, parameter.shape[1]],
    )
    const whole = decode(parameter) as tf.Tensor2D
    const [got, wanted] = [loaded.product(asked(name, x))!, tf.matMul(x, whole, false, true)]
    expect([...(await got.data())]).toEqual([...(await wanted.data())].map(value => expect.closeTo(value, 4)))
    tf.dispose([x, whole, got, wanted])
  }
  const [unpacked, whole] = [loaded.weights('one'), decode(one)]
  expect(await unpacked.data()).toEqual(await whole.data())
  expect(loaded.weights('one')).toBe(unpacked)
  whole.dispose()
  loaded.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

it('decodes what is no affine matrix of a linear layer', async () => {
  const before = tf.memory().numTensors
  const matrix = affineMatrix(4, 32, 4, 32)
  const params = {
    matrix,
    table: matrix,
    masked: maskedOf(new Uint8Array(128).fill(1), matrix),
    shared: affineOf({ shape: [4, 32], bits: 4, group: 32, codes: new Uint8Array(128), scales: [1] }),
    narrow: affineMatrix(4, 32, 4, 8),
    plain: fromFloat32(new Float32Array(128), 'f32', [4, 32]),
  }
  const sites = ['matrix', 'table', 'masked', 'shared', 'narrow', 'plain'].map(name => site(name))
  const loaded = await loadPacked(modelOf(params, [...sites, site('table', 'embedding')]))
  expect(loaded.packed).toEqual(['matrix'])
  for (const name of ['table', 'masked', 'shared', 'narrow', 'plain']) {
    expect(loaded.weights(name).shape).toEqual([4, 32])
    const x = tf.zeros([1, 32])
    expect(loaded.product(asked(name, x))).toBeUndefined()
    x.dispose()
  }
  expect(() => loaded.weights('none')).toThrow('its list of parameters lacks')
  loaded.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

it('leaves nothing behind where a parameter is missing or the signal says stop', async () => {
  const before = tf.memory().numTensors
  const model = modelOf({ one: affineMatrix(4, 32, 4, 32), two: affineMatrix(4, 32, 4, 8) }, [site('one'), site('two')])
  const missing = { ...model, stages: [{ ...model.stages[0], parameters: ['one', 'two', 'three'] }] }
  await expect(loadPacked(missing)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const reason = new Error('enough')
  await expect(loadPacked(model, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(tf.memory().numTensors).toBe(before)
})
