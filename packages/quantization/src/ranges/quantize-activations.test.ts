import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, pipeline, quantizedActivations, type Model, type ProgressEvent } from '@tersor/core'
import { describePass, outputOf, picoBatches, picoModel } from '@tersor/testing'
import { toFloat32, toInt32, type Dense } from '@tersor/tensor'
import { entropyObserver } from './entropy.js'
import { minMaxObserver } from './min-max.js'
import { movingAverageObserver } from './moving-average.js'
import { mseObserver } from './mse.js'
import { percentileObserver } from './percentile.js'
import { quantizeActivations } from './quantize-activations.js'
import { rtn } from '../rounding/rtn.js'

let batches: tf.Tensor2D[] = []
beforeAll(async () => {
  await tf.setBackend('cpu')
  batches = picoBatches()
})
afterAll(() => tf.dispose(batches))

describePass(() => quantizeActivations(), { calibrated: true })

const denseOf = async (model: Model, name: string): Promise<Dense> => (await model.params.read(name)) as Dense

it('stores a scale and a zero for each site, from the range of its inputs', async () => {
  const small = await compress(picoModel(), quantizeActivations({ bits: 6, only: 'layers.0' }), { calibration: batches })
  expect(small.params.names()).toEqual(['layers.0.weight', 'layers.1.weight', 'layers.0.input_scale', 'layers.0.input_zero_point'])
  const values = (await Promise.all(batches.map(batch => batch.data()))).flatMap(data => [...data])
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const [scale] = toFloat32(await denseOf(small, 'layers.0.input_scale'))
  const zero = await denseOf(small, 'layers.0.input_zero_point')
  expect(zero.dtype).toBe('u6')
  expect(Math.abs(scale / ((high - low) / 63) - 1)).toBeLessThan(1e-3) // scales are rounded to halves
  expect(toInt32(zero)[0]).toBe(Math.round(-low / scale))
})

it('rounds the inputs in every forward pass, as a loop does', async () => {
  const model = picoModel()
  const small = await compress(model, quantizeActivations({ bits: 4, only: 'layers.0' }), { calibration: batches })
  const [scale] = toFloat32(await denseOf(small, 'layers.0.input_scale'))
  const [zero] = toInt32(await denseOf(small, 'layers.0.input_zero_point'))
  const x = [...(await batches[0].data())]
  const rounded = x.map(value => {
    const [floor, code] = [Math.floor(value / scale), Math.round(value / scale)]
    const even = value / scale - floor === 0.5 && code % 2 !== 0 ? floor : code
    return scale * (Math.min(15, Math.max(0, even + zero)) - zero)
  })
  const given = tf.tensor2d(rounded, batches[0].shape)
  const [expected, got, plain] = [await outputOf(model, given), await outputOf(small, batches[0]), await outputOf(model, batches[0])]
  given.dispose()
  got.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-4))
  expect(got.some((value, i) => Math.abs(value - plain[i]) > 1e-2)).toBe(true)
})

it('is found again in a store that was saved', async () => {
  const small = await compress(picoModel(), pipeline(rtn({ bits: 8, granularity: 'row' }), quantizeActivations()), { calibration: batches })
  const opened = quantizedActivations({ ...picoModel(), params: small.params })
  expect(await outputOf(opened, batches[0])).toEqual(await outputOf(small, batches[0]))
  const model = picoModel()
  expect(quantizedActivations(model)).toBe(model)
})

const OBSERVERS = [minMaxObserver(), movingAverageObserver(), percentileObserver({ percentile: 0.999 }), entropyObserver(), mseObserver()]

it.each(OBSERVERS)('stays near at 8 bits with $name', async observer => {
  const model = picoModel()
  const small = await compress(model, quantizeActivations({ observer }), { calibration: batches })
  const [before, after] = [await outputOf(model, batches[0]), await outputOf(small, batches[0])]
  const square = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value * value, 0)
  expect(square(after.map((value, i) => value - before[i])) / square(before)).toBeLessThan(5e-3)
})

it('tells of each part of a grid that it wrote', async () => {
  const events: ProgressEvent[] = []
  await compress(picoModel(), quantizeActivations({ only: 'layers.1' }), { calibration: batches, onProgress: event => events.push(event) })
  expect(events.filter(({ type }) => type === 'changed')).toEqual(
    ['layers.1.input_scale', 'layers.1.input_zero_point'].map(parameter => ({ type: 'changed', pass: 'quantize-activations', parameter })),
  )
})

it('tells of a site that no input came to', async () => {
  const model = picoModel()
  const [first, ...rest] = model.stages
  const idle = { ...first.sites[0], name: 'idle' }
  const events: ProgressEvent[] = []
  const stages = [{ ...first, sites: [...first.sites, idle] }, ...rest]
  const small = await compress({ ...model, stages }, quantizeActivations(), {
    calibration: batches,
    onProgress: event => events.push(event),
  })
  expect(events.filter(({ type }) => type === 'warning')).toEqual([
    { type: 'warning', pass: 'quantize-activations', site: 'idle', message: 'no input came by in calibration: it stays as it is' },
  ])
  expect(small.params.names()).not.toContain('idle.input_scale')
})

it('refuses what it cannot do', async () => {
  expect(() => quantizeActivations({ bits: 9 })).toThrow('quantize-activations got bits = 9.\nPass an integer from 2 to 8: bits of a code.')
  await expect(compress(picoModel(), quantizeActivations())).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
  await expect(compress(picoModel(), quantizeActivations({ only: 'x' }), { calibration: batches })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  })
  const twice = pipeline(quantizeActivations(), quantizeActivations({ only: 'layers.1' }))
  await expect(compress(picoModel(), twice, { calibration: batches })).rejects.toMatchObject({
    code: 'COMPOSITION',
    message: 'The inputs of "layers.1" are quantized already.\nUse quantize-activations once a site; `only` names the others.',
  })
  const endless = tf.fill([2, 16], Infinity)
  await expect(compress(picoModel(), quantizeActivations(), { calibration: [endless] })).rejects.toMatchObject({
    code: 'NOT_FINITE',
    message:
      'The inputs of "layers.0" reach from Infinity to Infinity.\nLook at the calibration data and the steps before: no grid holds these.',
  })
  endless.dispose()
})

it('leaves a site alone whose inputs are all zero, as those of an expert are that no token chose', async () => {
  const silent = batches.map(batch => tf.zerosLike(batch))
  const events: ProgressEvent[] = []
  const small = await compress(picoModel(), quantizeActivations(), { calibration: silent, onProgress: event => events.push(event) })
  tf.dispose(silent)
  expect(small.params.names()).toEqual(['layers.0.weight', 'layers.1.weight'])
  expect(events.filter(({ type }) => type === 'warning')).toMatchObject([{ site: 'layers.0' }, { site: 'layers.1' }])
})
