import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, type Model } from '@tersor/core'
import { describeExact, describePass, picoModel, randomRows, applyMethod, useEngine } from '@tersor/testing'
import { toFloat32, type Dense } from '@tersor/tensor'
import { smoothQuant } from './smooth-quant.js'
import { normedModel } from './normed-model.fixture.js'
import { rtn } from '../rounding/rtn.js'

useEngine()

const given = () => tf.tensor2d(randomRows(32, 4, 3))
const model = () => normedModel([1, 2, 3, 4], randomRows(3, 4, 5))

const suite = { model, calibration: () => [given(), given()], calibrated: true }
describePass(() => smoothQuant(), suite)
describeExact(() => smoothQuant(), suite)

const valuesOf = async (model: Model, name: string): Promise<number[]> => [...toFloat32((await model.params.read(name)) as Dense)]

it('moves outliers by hand', async () => {
  // max|x| = (10, 1), max|w| = (1, 1): s = (√10, 1)
  const calibration = [tf.tensor2d([[2, 0.5], [-5, 0.1]])] // prettier-ignore
  const small = await compress(normedModel([2, 2], [[1, -1], [0.5, 1]]), smoothQuant(), { calibration }) // prettier-ignore
  const root = Math.sqrt(10)
  const norm = await valuesOf(small, 'norm.weight')
  ;[2 / root, 2].forEach((value, i) => expect(norm[i]).toBeCloseTo(value, 6))
  const weight = await valuesOf(small, 'up.weight')
  ;[root, -1, root / 2, 1].forEach((value, i) => expect(weight[i]).toBeCloseTo(value, 6))
  tf.dispose(calibration)
})

it('moves all of the activations with alpha 1, and makes weights even with alpha 0', async () => {
  const calibration = [tf.tensor2d([[3, 0.5]])]
  const of = async (alpha: number) => valuesOf(await compress(normedModel([1, 1], [[4, 8]]), smoothQuant({ alpha }), { calibration }), 'up.weight') // prettier-ignore
  expect(await of(1)).toEqual([12, 4])
  expect(await of(0)).toEqual([1, 1])
  tf.dispose(calibration)
})

it('keeps channels that no input reaches finite', async () => {
  const calibration = [tf.tensor2d([[3, 0]])]
  const small = await compress(normedModel([1, 1], [[4, 0]]), smoothQuant(), { calibration })
  for (const name of ['norm.weight', 'up.weight']) expect((await valuesOf(small, name)).every(Number.isFinite)).toBe(true)
  tf.dispose(calibration)
})

it('checks its options when it is made', () => {
  expect(() => smoothQuant({ alpha: 2 })).toThrow('smooth-quant got alpha = 2.\nPass 0 to 1: how much of the range moves')
})

it('refuses what it cannot work on', async () => {
  const calibration = [given()]
  await expect(compress(model(), smoothQuant())).rejects.toThrow(
    'smooth-quant learns from inputs, and no calibration batch was given.\nPass calibration',
  )
  await expect(compress(picoModel(), smoothQuant(), { calibration })).rejects.toThrow(
    'smooth-quant finds no channels in this model whose scale is free.\nUse a network of @tersor/models',
  )
  const rounded = await applyMethod(rtn(), { weight: randomRows(3, 4, 5) })
  await expect(compress(normedModel([1, 1, 1, 1], [[], [], []], rounded), smoothQuant(), { calibration })).rejects.toThrow(
    'smooth-quant would change "up.weight", which is compressed already (affine).\nPut smooth-quant before the step that compressed it.',
  )
  const broken = normedModel([1, NaN, 1, 1], randomRows(3, 4, 5))
  await expect(compress(broken, smoothQuant(), { calibration })).rejects.toMatchObject({ code: 'NOT_FINITE' })
  tf.dispose(calibration)
})

it('refuses a network that has channels but none behind a norm, as BERT has', async () => {
  const calibration = [tf.tensor2d([[3, 0.5]])]
  const model = normedModel([1, 1], [[4, 8]])
  const stages = model.stages.map(stage => ({
    ...stage,
    scalings: (stage.scalings ?? []).map(scaling => ({ ...scaling, source: 'linear' as const })),
  }))
  await expect(compress({ ...model, stages }, smoothQuant(), { calibration })).rejects.toThrow(
    'smooth-quant finds no norm in this model that stands before what reads it, so there is nothing for it to do.\nLeave the step out',
  )
  tf.dispose(calibration)
})
