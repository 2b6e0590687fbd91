import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type ProgressEvent } from '@tersor/core'
import { describePass, useEngine } from '@tersor/testing'
import { fromFloat32, overlay } from '@tersor/tensor'
import { fillShare, flap, standardised } from './flap.js'
import { cutBy } from './small-llama.fixture.js'
import { rowsOf, twoLayers } from './two-layers.fixture.js'

useEngine()
describePass(() => flap({ keep: 0.5, units: ['neurons'] }), { calibrated: true })

const coupling = (name: string, units: number) => ({ name, kind: 'neurons' as const, units, members: [] })
const numbers = (...values: readonly number[]) => Float64Array.from(values)

it('standardises scores', () => {
  expect([...standardised(numbers(1, 2, 3))]).toEqual([-1, 0, 1])
  expect([...standardised(numbers(4, 4))]).toEqual([0, 0])
})

it('fills a share of the weights with the best of all, one of each at least', () => {
  // of 3 · 10 + 2 · 40 = 110 weights 60 %, 66: 40 for b's best, which must be there, a's best 10, then 10 more of a; b's other would be too much
  const scores = [numbers(3, 1, 2), numbers(0, 2.5)]
  const kept = fillShare([coupling('a', 3), coupling('b', 2)], scores, [10, 40], 0.6)
  expect(Object.fromEntries(kept)).toEqual({ a: [0, 2], b: [1] })
})

// h over two tokens: (4, 4), (1, 3), (0, 2): variances 0, 2, 2; columns of down with squares 25, 1, 4: scores 0, 2, 8
const UP = [[4, 0], [0, 1], [-1, 1]] // prettier-ignore
const DOWN = [[3, 1, 0], [4, 0, 2]] // prettier-ignore
const X = [[1, 1], [1, 3]] // prettier-ignore

it('leaves out what hardly moves, and puts its mean into the bias: by hand', async () => {
  const given = twoLayers(UP, DOWN)
  const model = given.with!(overlay(given.params, new Map([['down.bias', fromFloat32([0.5, -0.5], 'f32', [2])]])))
  const x = tf.tensor2d(X)
  const small = await compress(model, flap({ keep: 0.67, units: ['neurons'] }), { calibration: [x] })
  expect(await rowsOf(small, 'up.weight')).toEqual([UP[1], UP[2]])
  expect(await rowsOf(small, 'down.bias')).toEqual([[0.5 + 3 * 4], [-0.5 + 4 * 4]])
  x.dispose()
})

it('says that it makes up for nothing where there are no biases', async () => {
  const x = tf.tensor2d(X)
  const told: string[] = []
  const onProgress = (event: ProgressEvent): void => void (event.type === 'warning' && told.push(event.message))
  await compress(twoLayers(UP, DOWN), flap({ keep: 0.67, units: ['neurons'] }), { calibration: [x], onProgress })
  expect(told).toEqual([expect.stringContaining('no biases')])
  x.dispose()
})

it('refuses units that stand in groups', async () => {
  const model = twoLayers(UP, DOWN)
  const grouped = { ...model, couplings: [{ ...model.couplings![0], kind: 'queries' as const, perGroup: 3 }] }
  await expect(compress(grouped, flap({ units: ['queries'] }))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('stand in groups') }) // prettier-ignore
})

it('gives a Llama biases, which its config tells', async () => {
  const { config, params } = await cutBy(flap({ keep: 0.6 }))
  expect(config).toMatchObject({ attention_bias: true, mlp_bias: true })
  expect(params.names()).toContain('model.layers.0.mlp.down_proj.bias')
  expect(() => flap({ keep: 2 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('keep') }))
})
