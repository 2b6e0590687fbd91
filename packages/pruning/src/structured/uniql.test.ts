import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import {
  affineOf,
  compress,
  cutSorted,
  firstUnitsOf,
  pipeline,
  shrink,
  switchedOff,
  type Method,
  type Model,
  type Step,
} from '@tersor/core'
import { freshModel } from '@tersor/models'
import { describeExact, describePass, outputOf, relativeError } from '@tersor/testing'
import { fromFloat32, overlay, toInt32, type Dense } from '@tersor/tensor'
import { calibration, model, suite } from './small-llama.fixture.js'
import { pairScores } from './sort-heads.js'
import { uniql } from './uniql.js'

const sorting = () => uniql({ multiple: 4, pairs: 1 })

beforeAll(() => tf.setBackend('ort'))
describePass(sorting, suite)
describeExact(sorting, { model, calibration, tolerance: 1e-5 })

const sorted = async (pass = sorting()): Promise<Model> => {
  const batches = calibration()
  const made = await compress(model(), pass, { calibration: batches, seed: 1 })
  tf.dispose(batches)
  return made
}
let first: Promise<Model> | undefined
/** One that several tests look at. */
const sortedOnce = (): Promise<Model> => (first ??= sorted())

it('cuts to the first units, which are those of a shrunken network', async () => {
  const made = await sortedOnce()
  const [x] = calibration()
  const cut = await cutSorted(made, 0.5)
  const change = firstUnitsOf(made, 0.5)
  const [ours, small, large] = [await outputOf(cut, x), await outputOf(await shrink(made, change), x), await outputOf(switchedOff(made, change), x)] // prettier-ignore
  expect(ours).toEqual(small)
  expect(relativeError(large, ours)).toBeLessThan(1e-5)
  expect(relativeError(await outputOf(made, x), ours)).toBeGreaterThan(1e-2)
  x.dispose()
})

it('writes which frequency turns each pair', async () => {
  const { params } = await sortedOnce()
  const table = (await params.read('model.layers.0.self_attn.rotary_pairs')) as Dense
  expect(table.shape).toEqual([2, 2])
  expect([...toInt32(table)].map(place => place < 2)).toEqual([true, true, true, true])
})

it('scores pairs by norms over both members and over the query heads of a key head', () => {
  // one key head of size 4, two query heads: pairs (0, 2) and (1, 3)
  const scores = pairScores(Float64Array.from([1, 0, 2, 1, 0, 3, 1, 0]), Float64Array.from([4, 1, 5, 0]), 4)
  expect([...scores]).toEqual([Math.sqrt((1 + 2 + 0 + 1) * 9), Math.sqrt((0 + 1 + 3 + 0) * 1)])
})

it('takes less of blocks that turn their inputs more, where it is asked to', async () => {
  const made = await sorted(uniql({ multiple: 1, pairs: 1 }))
  const { sorted: order, couplings = [] } = made
  const influence = order!.influence!
  const { keep } = firstUnitsOf(made, 0.75)
  const kept = couplings.filter(({ kind }) => kind === 'neurons').map(({ name }) => keep!.get(name)!.length)
  expect(influence).toHaveLength(2)
  const [most, least] = [Math.max(...influence), Math.min(...influence)].map(each => influence.indexOf(each))
  expect(kept[most]).toBeGreaterThan(kept[least])
})

it('sorts a sorted network again, and neurons alone of any other', async () => {
  const once = await sortedOnce()
  const [x, ...batches] = calibration()
  const twice = await compress(once, sorting(), { calibration: batches, seed: 1 })
  expect(relativeError(await outputOf(once, x), await outputOf(twice, x))).toBeLessThan(1e-5)
  tf.dispose([x, ...batches])
})

it.each([
  [() => uniql({ units: ['experts'] }), 'units are neurons and heads'],
  [() => uniql({ units: [] }), 'units'],
  [() => uniql({ ridge: 0 }), 'ridge'],
  [() => uniql({ multiple: 0 }), 'multiple'],
])('options are checked: %#', (make, word) => {
  expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) }))
})

const CONFIG = { model_type: 'qwen3', vocab_size: 32, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 }
const ROUND: Method = { kind: 'method', name: 'rows', apply: async weight => affineOf({ shape: weight.shape, bits: 4, group: 4, codes: new Uint8Array(weight.size), scales: new Float32Array(weight.size / 4).fill(1) }) } // prettier-ignore

it.each<[string, () => Model, readonly Step[], string, string]>([
  ['heads with norms over queries and keys', () => freshModel(CONFIG, { seed: 1 }), [sorting()], 'UNSUPPORTED', 'uniql finds no heads'],
  ['networks without neurons', () => ({ ...model(), couplings: [] }), [sorting()], 'UNSUPPORTED', 'uniql finds no neurons'],
  ['compressed weights', model, [ROUND, sorting()], 'COMPOSITION', 'compressed'],
])('refuses %s in two lines', async (_what, make, steps, code, words) => {
  const batches = calibration()
  const error = await compress(make(), pipeline(...steps), { calibration: batches, seed: 1 }).catch((thrown: unknown) => thrown as Error)
  expect(error).toMatchObject({ code, message: expect.stringContaining(words) })
  expect((error as Error).message.split('\n')).toHaveLength(2)
  tf.dispose(batches)
})

it('refuses to move what grids of inputs were learned from', async () => {
  const given = model()
  const grid = (name: string) => [`model.layers.0.self_attn.o_proj.${name}`, fromFloat32([1], 'f32', [1])] as const
  const params = overlay(given.params, new Map([grid('input_scale'), grid('input_zero_point')]))
  const batches = calibration()
  await expect(compress({ ...given, params }, sorting(), { calibration: batches })).rejects.toMatchObject({ code: 'COMPOSITION', message: expect.stringContaining('grid') }) // prettier-ignore
  tf.dispose(batches)
})
