import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '@tersor/kernels/gradients'
import { picoModel, useEngine } from '@tersor/testing'
import { memorySink, toFloat32, type Dense } from '@tersor/tensor'
import { sgd } from '../train/sgd.js'
import { train } from '../train/train.js'
import type { TrainOptions } from '../train/train-options.js'
import { inputNames, quantizedActivations, withStoredGrids } from './activation-grid.js'
import { forward, loadModel } from './load.js'
import { sitesOf, type Model } from './model.js'
import { roundRows, rowGridParameters } from './row-grid.js'

useEngine()

/** The model with a grid for each row of the inputs of its first site. */
const rounding = async (bits: number, { params, stages }: Model = picoModel()): Promise<Model> => {
  const sink = memorySink()
  for (const name of params.names()) await sink.write(name, await params.read(name))
  for (const [name, parameter] of rowGridParameters(sitesOf({ params, stages })[0], bits)) await sink.write(name, parameter)
  return { params: await sink.finish(), stages }
}

const outputOf = async (model: Model, x: tf.Tensor): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const output = tf.tidy(() => forward(model, x, { weights }))
  const values = [...(await output.data())]
  output.dispose()
  dispose()
  return values
}

it('gives each row the step of its largest value', async () => {
  const x = tf.tensor2d([[1, -0.5, 0.25], [0, 30, 4], [0, 0, 0]]) // prettier-ignore
  // steps 1/3 and 10: 1.5 of a step goes to the even 2, and 4 of 10 to none
  expect([...(await roundRows(x, 3).data())]).toEqual([1, -2 / 3, 1 / 3, 0, 30, 0, 0, 0, 0].map(value => expect.closeTo(value, 6)))
  registerGradients()
  const gradient = tf.grad(y => tf.sum(tf.mul(roundRows(y, 3), [1, 2, 3])))(x)
  expect([...(await gradient.data())]).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3])
})

it('rounds what a site multiplies wherever the store says so, stage by stage and as a whole', async () => {
  const bare = await rounding(3)
  const [site] = sitesOf(bare)
  const x = tf.tensor2d(
    Float32Array.from({ length: 64 }, (_, i) => Math.sin(3 * i + 1)),
    [4, 16],
  )
  const model = quantizedActivations(bare)
  const rounded = roundRows(x, 3)
  const expected = await outputOf(picoModel(), rounded)
  expect(await outputOf(model, x)).toEqual(expected)
  expect(await outputOf(bare, x)).not.toEqual(expected)
  expect(model.stages[0].buffers).toEqual([`${site.name}.input_row_levels`])
  const { weights, dispose } = await loadModel(model)
  expect([...(await tf.tidy(() => forward(bare, x, withStoredGrids(bare, { weights }))).data())]).toEqual(expected)
  dispose()
})

it('is trained through, and keeps the number of levels', async () => {
  const model = quantizedActivations(await rounding(8))
  const [site] = sitesOf(model)
  const options: TrainOptions = {
    ...{ objective: output => tf.mean(tf.square(output)), transform: sgd({ learningRate: 0.1 }), steps: 2 },
    data: () => ({ input: tf.ones([1, 16]) }),
  }
  const { params } = await train(model, options)
  const [name] = inputNames(site).filter(each => params.names().includes(each))
  expect((await params.read(name)) as Dense).toMatchObject({ dtype: 'u8', bytes: Uint8Array.of(127) })
  const weight = async (of: Model['params']) => [...toFloat32((await of.read(site.weight)) as Dense)]
  expect(await weight(params)).not.toEqual(await weight(model.params))
})

it('refuses stages that another runtime computes', async () => {
  const { params, stages } = await rounding(8)
  const foreign = { params, stages: stages.map(stage => ({ ...stage, differentiable: false })) }
  expect(() => quantizedActivations(foreign)).toThrow(
    'The stage "layers.0" is computed by another runtime, which does not round the inputs of "layers.0" row by row.\nOpen the network as one of @tersor/models, or leave inputs as they are when training it.',
  )
  expect(() => quantizedActivations(foreign)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
})
