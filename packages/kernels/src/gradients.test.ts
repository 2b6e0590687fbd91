import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { registerGradients } from './gradients.js'
import { logSoftmax } from './log-softmax.js'
import { llama, TINY } from './llama.reference.js'
import { distance, positive, tensor, values } from './values.reference.js'

type Function = (...inputs: tf.Tensor[]) => tf.Tensor
const ids = () => tf.tensor1d([3, 0, 3, 1], 'int32')

/** name → function and its inputs. */
const functions: Record<string, [Function, tf.Tensor[]] | (() => [Function, tf.Tensor[]])> = {
  add: () => [tf.add, [tensor([3, 4]), tensor([4], 2)]],
  sub: () => [tf.sub, [tensor([3, 1]), tensor([3, 4], 2)]],
  mul: () => [tf.mul, [tensor([2, 3, 4]), tensor([3, 1], 2)]],
  div: () => [tf.div, [tensor([3, 4]), tf.add(positive([4], 2), 0.4)]],
  maximum: () => [tf.maximum, [tensor([3, 4]), tensor([4], 2)]],
  minimum: () => [tf.minimum, [tensor([3, 4]), tensor([4], 2)]],
  squaredDifference: () => [tf.squaredDifference, [tensor([3, 4]), tensor([4], 2)]],
  pow: () => [tf.pow, [positive([3, 4]), tensor([4], 2)]],
  where: () => [(a, b) => tf.where(tf.greater(a, b), tf.square(a), b), [tensor([3, 4]), tensor([3, 4], 2)]],
  addN: () => [(a, b) => tf.addN([a, b, a]), [tensor([3, 4]), tensor([3, 4], 2)]],
  prelu: () => [tf.prelu, [tensor([3, 4]), positive([4], 2)]],
  ...Object.fromEntries(
    (
      [
        'abs',
        'asin',
        'acos',
        'atan',
        'cos',
        'cosh',
        'erf',
        'expm1',
        'log1p',
        'relu',
        'relu6',
        'sin',
        'sinh',
        'softplus',
        'square',
        'tan',
        'elu',
        'exp',
        'sigmoid',
        'tanh',
        'neg',
        'floor',
        'step',
        'sign',
      ] as const
    ).map(name => [name, () => [tf[name] as Function, [tf.mul(tensor([3, 5]), 0.9)]]] as const),
  ),
  ...Object.fromEntries(
    (['log', 'sqrt', 'rsqrt', 'reciprocal'] as const).map(name => [name, () => [tf[name] as Function, [positive([3, 5])]]] as const),
  ),
  leakyRelu: () => [x => tf.leakyRelu(x, 0.3), [tensor([3, 5])]],
  clipByValue: () => [x => tf.clipByValue(x, -0.5, 0.4), [tensor([3, 5])]],
  cumsum: () => [x => tf.cumsum(x, 0), [tensor([3, 5])]],
  softmax: () => [x => tf.softmax(x), [tensor([3, 5])]],
  logSoftmax: () => [logSoftmax, [tensor([3, 5])]],
  logSumExp: () => [x => tf.logSumExp(x, -1), [tensor([3, 5])]],
  sum: () => [x => tf.sum(x, [0, 2]), [tensor([3, 5, 2])]],
  mean: () => [x => tf.mean(x, 1, true), [tensor([3, 5, 2])]],
  max: () => [x => tf.max(x, 1), [tensor([3, 5, 2])]],
  min: () => [x => tf.min(x), [tensor([3, 5, 2])]],
  reshape: () => [x => tf.reshape(x, [10, 3]), [tensor([3, 5, 2])]],
  expandDims: () => [x => tf.expandDims(x, 1), [tensor([3, 5])]],
  transpose: () => [x => tf.transpose(x, [2, 0, 1]), [tensor([3, 5, 2])]],
  concat: () => [(a, b) => tf.concat([a, b], 1), [tensor([3, 2]), tensor([3, 4], 2)]],
  split: () => [x => tf.mul(...(tf.split(x, 2, 1) as [tf.Tensor, tf.Tensor])), [tensor([3, 4])]],
  stack: () => [(a, b) => tf.stack([a, b], 1), [tensor([3, 2]), tensor([3, 2], 2)]],
  unstack: () => [x => tf.mul(...(tf.unstack(x, 1) as [tf.Tensor, tf.Tensor])), [tensor([3, 2])]],
  slice: () => [x => tf.slice(x, [1, 0], [2, 3]), [tensor([4, 5])]],
  pad: () => [x => tf.pad(x, [[1, 2], [0, 1]]), [tensor([4, 5])]], // prettier-ignore
  tile: () => [x => tf.tile(x, [2, 1, 3]), [tensor([4, 5, 2])]],
  reverse: () => [x => tf.reverse(x, 1), [tensor([4, 5])]],
  gather: () => [x => tf.gather(x, ids()), [tensor([5, 3])]],
  'gather along another axis': () => [x => tf.gather(x, ids(), 1), [tensor([2, 5, 3])]],
  'gather in rows': () => [x => tf.gather(x, tf.tensor2d([1, 1, 2, 0], [2, 2], 'int32'), 1, 1), [tensor([2, 3, 4])]],
  'gather in rows along a later axis': () => [x => tf.gather(x, tf.tensor2d([1, 1, 2, 0], [2, 2], 'int32'), 2, 1), [tensor([2, 4, 3])]],
  scatterND: () => [x => tf.scatterND(tf.reshape(ids(), [4, 1]) as tf.Tensor2D, x, [5, 3]), [tensor([4, 3])]],
  'scatterND over two axes': () => [
    x => tf.scatterND(tf.tensor2d([0, 1, 2, 0, 0, 1], [3, 2], 'int32'), x, [3, 2, 4] as never),
    [tensor([3, 4])],
  ],
  'values of topk': () => [x => tf.topk(x, 2).values, [tensor([3, 5])]],
  'values of topk of a vector': () => [x => tf.topk(x, 3).values, [tensor([7])]],
  unsortedSegmentSum: () => [x => tf.unsortedSegmentSum(x, ids(), 5), [tensor([4, 3])]],
  matMul: () => [(a, b) => tf.matMul(a, b), [tensor([3, 4]), tensor([4, 5], 2)]],
  'matMul, left transposed': () => [(a, b) => tf.matMul(a, b, true), [tensor([2, 4, 3]), tensor([2, 4, 5], 2)]],
  'matMul, right transposed': () => [(a, b) => tf.matMul(a, b, false, true), [tensor([3, 4]), tensor([5, 4], 2)]],
  'matMul, both transposed': () => [(a, b) => tf.matMul(a, b, true, true), [tensor([4, 3]), tensor([5, 4], 2)]],
  'matMul with one right matrix': () => [(a, b) => tf.matMul(a, b), [tensor([6, 3, 4]), tensor([1, 4, 5], 2)]],
  'matMul with one right matrix transposed': () => [(a, b) => tf.matMul(a, b, false, true), [tensor([6, 3, 4]), tensor([1, 5, 4], 2)]],
  'matMul with one left matrix': () => [(a, b) => tf.matMul(a, b), [tensor([1, 3, 4]), tensor([6, 4, 5], 2)]],
  conv2d: () => [(x, f) => tf.conv2d(x as tf.Tensor4D, f as tf.Tensor4D, 2, 'same'), [tensor([2, 6, 6, 2]), tensor([3, 3, 2, 3], 2)]],
  depthwiseConv2d: () => [
    (x, f) => tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same'),
    [tensor([2, 5, 5, 2]), tensor([3, 3, 2, 2], 2)],
  ],
  conv2dTranspose: () => [
    (x, f) => tf.conv2dTranspose(x as tf.Tensor4D, f as tf.Tensor4D, [2, 6, 6, 2], 2, 'same'),
    [tensor([2, 3, 3, 3]), tensor([3, 3, 2, 3], 2)],
  ],
  maxPool: () => [x => tf.maxPool(x as tf.Tensor4D, 2, 2, 'same'), [tensor([2, 5, 5, 2])]],
  avgPool: () => [x => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), [tensor([2, 4, 4, 2])]],
  batchNorm: () => [
    (x, mean, variance, offset, scale) =>
      tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
    [tensor([4, 3]), tensor([3], 2), positive([3], 3), tensor([3], 4), positive([3], 5)],
  ],
}

/** Central differences of Σ weights∘f(inputs), in float32 and so to three digits only. */
async function differences(f: Function, inputs: readonly tf.Tensor[], weights: tf.Tensor): Promise<number[][]> {
  const step = 2e-3
  const total = async (which: number, index: number, delta: number) => {
    const moved = await Promise.all(
      inputs.map(async (input, at) => {
        const data = (await input.data()).slice()
        if (at === which) data[index] += delta
        return tf.tensor(data, input.shape)
      }),
    )
    const output = (await f(...moved).data()) as Float32Array
    const scale = await weights.data()
    return output.reduce((sum, value, at) => sum + value * scale[at], 0)
  }
  const columns: number[][] = []
  for (let which = 0; which < inputs.length; which++) {
    const column: number[] = []
    for (let index = 0; index < inputs[which].size; index++)
      column.push(((await total(which, index, step)) - (await total(which, index, -step))) / (2 * step))
    columns.push(column)
  }
  return columns
}

beforeAll(() => void registerGradients())

describe.each(['cpu', 'ort'])('gradients on %s agree with finite differences', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))
  for (const [name, make] of Object.entries(functions))
    it(name, async () => {
      expect(tf.getBackend()).toBe(backend)
      const [f, inputs] = typeof make === 'function' ? make() : make
      const shape = f(...inputs).shape
      const weights = tf.tensor(values(tf.util.sizeFromShape(shape), 7), shape)
      const got = tf.grads((...at: tf.Tensor[]) => tf.sum(tf.mul(f(...at), weights)) as tf.Scalar)([...inputs])
      const expected = await differences(f, inputs, weights)
      for (let which = 0; which < inputs.length; which++) {
        expect(got[which].shape).toEqual(inputs[which].shape)
        const away = distance(expected[which], await got[which].data())
        if (away > 5e-3 && !(name === 'floor' || name === 'step' || name === 'sign'))
          expect(Array.from(await got[which].data())).toEqual(expected[which])
      }
    })
})

/** Whose second gradient nobody has written: differentiating twice says so. */
const ONCE = new Set(['maxPool'])
/** Flat everywhere: their gradient hangs on nothing. */
const FLAT = new Set(['floor', 'step', 'sign'])

describe.each(['cpu', 'ort'])('gradients of gradients on %s agree with central differences of gradients', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))
  for (const [name, make] of Object.entries(functions).filter(([name]) => !FLAT.has(name)))
    it(name, async () => {
      const [f, inputs] = typeof make === 'function' ? make() : make
      const { shape } = f(...inputs)
      const weights = tf.tensor(values(tf.util.sizeFromShape(shape), 7), shape)
      const loss = (...at: tf.Tensor[]) => tf.sum(tf.mul(tf.sin(f(...at)), weights)) as tf.Scalar
      const directions = inputs.map((input, at) => tf.mul(tensor(input.shape, 11 + at), 0.5))
      const along = (...at: tf.Tensor[]) =>
        tf.addN(
          tf
            .grads(loss)([...at])
            .map((gradient, i) => tf.sum(tf.mul(gradient, directions[i]))),
        ) as tf.Scalar
      const curvature = () =>
        tf.addN(
          tf
            .grads(along)([...inputs])
            .map((gradient, i) => tf.sum(tf.mul(gradient, directions[i]))),
        )
      if (ONCE.has(name)) return expect(curvature).toThrow('gradient function not found')
      const [exact] = await curvature().data()
      const step = 1e-2
      const at = async (by: number) => (await along(...inputs.map((input, i) => tf.add(input, tf.mul(directions[i], by)))).data())[0]
      const expected = ((await at(step)) - (await at(-step))) / (2 * step)
      expect(Math.abs(exact - expected)).toBeLessThan(1e-2 * Math.max(1, Math.abs(expected)))
    })
})

it('replaces the rules of tfjs where it is asked to, and its own never', () => {
  const ours = tf.getGradient('Exp')
  tf.unregisterGradient('Exp')
  tf.registerGradient({ kernelName: 'Exp', outputsToSave: [true], gradFunc: (dy, [y]) => ({ x: () => tf.mul(dy as tf.Tensor, y) }) })
  expect(registerGradients()).toEqual([])
  expect(registerGradients({ replace: true })).toEqual(['Exp'])
  expect(tf.getGradient('Exp')).toEqual(ours)
})

it('registering again adds nothing', () => expect(registerGradients()).toEqual([]))

describe('a transformer block', () => {
  async function run(backend: string) {
    await tf.setBackend(backend)
    const model = llama(TINY)
    const { value, grads } = tf.variableGrads(model.loss)
    const gradients: Record<string, Float32Array> = {}
    for (const [name, variable] of Object.entries(model.parameters))
      gradients[name] = (await grads[variable.name].data()).slice() as Float32Array
    const optimiser = tf.train.adam(1e-2)
    const losses: number[] = [(await value.data())[0]]
    tf.dispose([value, grads])
    let before = tf.memory()
    for (let step = 0; step < 4; step++) {
      if (step === 1) before = tf.memory() // the optimiser made its moments in the first step
      const { value, grads } = tf.variableGrads(model.loss)
      optimiser.applyGradients(grads as Record<string, tf.Variable>)
      tf.dispose(grads)
      losses.push((await value.data())[0])
      value.dispose()
    }
    expect(tf.getBackend()).toBe(backend)
    expect(tf.memory().numTensors).toBe(before.numTensors)
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers)
    model.dispose()
    optimiser.dispose()
    return { gradients, losses }
  }

  it('has the gradients of tfjs-cpu, parameter by parameter, and the same losses in training', async () => {
    const expected = await run('cpu')
    const got = await run('ort')
    for (const name of Object.keys(expected.gradients))
      expect([name, distance(expected.gradients[name], got.gradients[name]) < 2e-5]).toEqual([name, true])
    expect(distance(expected.losses, got.losses)).toBeLessThan(1e-5)
  })
})
