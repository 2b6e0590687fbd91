import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { batchMoments, crossEntropy, forward, loadModel, type Env, type Statistics } from '@tersor/core'
import { registerGradients } from '@tersor/kernels'
import { casesTried } from '@tersor/testing'
import { resNetModel } from './resnet.js'
import { pixels, tiny, tinyStore } from './tiny-resnet.fixture.js'

beforeAll(() => void registerGradients())

const model = resNetModel(tiny, tinyStore())
const buffers = new Set(model.stages.flatMap(stage => stage.buffers ?? []))

/** The loss of six images as a function of the weights that training moves. */
const lossOf = (weights: Env['weights'], moments: Env['moments'] = (_norm, y) => batchMoments(y)): tf.Scalar =>
  tf.tidy(() => {
    const target = tf.tensor1d([0, 1, 2, 2, 1, 0], 'int32')
    return crossEntropy(forward(model, pixels(6), { weights, moments }), { input: target, target })
  })

const variablesOf = async (): Promise<ReadonlyMap<string, tf.Variable>> => {
  const { weights, dispose } = await loadModel(model)
  const names = model.params.names().filter(name => !buffers.has(name))
  const variables = new Map(names.map(name => [name, tf.variable(weights(name))]))
  dispose()
  return variables
}

it('names the norms in the order in which they ask, and folded ones not at all', async () => {
  const { weights, dispose } = await loadModel(model)
  const asked: Statistics[] = []
  const loss = lossOf(weights, (norm, y) => (asked.push(norm), batchMoments(y)))
  expect(asked).toEqual(model.stages.flatMap(stage => stage.statistics ?? []))
  expect(asked[1]).toEqual({ norm: 'layer1.0.bn1', mean: 'layer1.0.bn1.running_mean', variance: 'layer1.0.bn1.running_var', momentum: 0.1 })
  expect(asked).toHaveLength(7)
  tf.dispose(loss)
  dispose()
})

// training.test.ts takes the plain engine through the same norms
describe.each(casesTried(['ort', 'cpu'], 2))('a ResNet with its norms apart, on batches of its own: %s', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))

  it('learns in three steps', async () => {
    const before = tf.memory().numTensors
    const variables = await variablesOf()
    const losses: number[] = []
    for (let step = 0; step < 4; step++) {
      const { value, grads } = tf.variableGrads(() => lossOf(name => variables.get(name)!), [...variables.values()])
      for (const variable of variables.values()) tf.tidy(() => variable.assign(tf.sub(variable, tf.mul(grads[variable.name], 0.1))))
      losses.push((await value.data())[0])
      tf.dispose([value, grads])
    }
    losses.forEach((loss, i) => expect([i, Number.isFinite(loss) && (i === 0 || loss < losses[i - 1])]).toEqual([i, true]))
    variables.forEach(variable => variable.dispose())
    expect(tf.memory().numTensors).toBe(before)
  })

  it('has the gradients of central differences, through mean and variance', async () => {
    const variables = await variablesOf()
    const { value, grads } = tf.variableGrads(() => lossOf(name => variables.get(name)!), [...variables.values()])
    for (const name of ['conv1.weight', 'layer1.0.conv2.weight', 'layer2.0.bn1.weight', 'layer2.1.bn2.bias', 'linear.weight']) {
      const gradient = grads[variables.get(name)!.name]
      const slope = tf.tidy(() => Math.sqrt(tf.sum(tf.square(gradient)).dataSync()[0]))
      const moved = (by: number): number =>
        tf.tidy(() => {
          const weight = tf.add(variables.get(name)!, tf.mul(gradient, by / slope))
          return lossOf(each => (each === name ? weight : variables.get(each)!)).dataSync()[0]
        })
      expect([name, (moved(0.002) - moved(-0.002)) / 0.004 / slope]).toEqual([name, expect.closeTo(1, 1.7)])
    }
    tf.dispose([value, grads])
    variables.forEach(variable => variable.dispose())
  })
})
