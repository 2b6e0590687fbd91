import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { useEngine } from '@tersor/testing'
import type { Model, Stage } from '../model/model.js'
import { activationsOf } from './activations.js'
import { walkGradients } from './walk-gradients.js'

useEngine()

const product = (name: string, weight: string): Stage => ({
  name,
  parameters: [weight],
  sites: [],
  run: (x, { weights }) => tf.matMul(x as tf.Tensor2D, weights(weight) as tf.Tensor2D),
})
const WEIGHTS = { w: [[1, 0.5], [0, -1]], v: [[2, 0], [1, 1]] } as const // prettier-ignore
const model = (stages: readonly Stage[]): Model => ({
  params: memoryStore(Object.fromEntries(Object.entries(WEIGHTS).map(([name, rows]) => [name, fromFloat32(rows.flat(), 'f32', [2, 2])]))),
  stages,
})
const contextOf = (calibration: readonly tf.Tensor[]) => ({
  calibration,
  activations: (batches: readonly tf.Tensor[]) => activationsOf(batches, Infinity),
  signal: new AbortController().signal,
})
const gradientsOf = async (
  of: Model,
  calibration: readonly tf.Tensor[],
  labels?: readonly number[],
): Promise<Readonly<Record<string, readonly number[]>>> => {
  const found: Record<string, readonly number[]> = {}
  const visit = async (name: string, gradient: tf.Tensor): Promise<void> => {
    expect(found[name]).toBeUndefined()
    found[name] = [...(await gradient.data())]
  }
  await walkGradients(of, 'test', contextOf(calibration), visit, { labels })
  return found
}

it('is the gradient of cross-entropy on the own answers, worked by hand', async () => {
  // x = (1, 0): hidden (1, .5), answers (2.5, .5): the first. p = (.8808, .1192); dy = (−.1192, .1192)
  // dV = hiddenᵀ dy; dh = dy Vᵀ = (−.2384, 0); dW = xᵀ dh
  const { w, v } = await gradientsOf(model([product('one', 'w'), product('two', 'v')]), [tf.tensor2d([[1, 0]])])
  const close = (found: readonly number[], want: readonly number[]): void => found.forEach((value, i) => expect(value).toBeCloseTo(want[i], 4)) // prettier-ignore
  close(v, [-0.1192, 0.1192, -0.0596, 0.0596])
  close(w, [-0.2384, 0, 0, 0])
})

it('adds up what stages share and means batches, as one tape over the whole network does', async () => {
  const shared = model([product('one', 'w'), product('two', 'v'), product('three', 'w')])
  const batches = [tf.tensor2d([[1, 2], [-1, 0.5]]), tf.tensor2d([[0.3, -2]])] // prettier-ignore
  const found = await gradientsOf(shared, batches)
  const loss = (w: tf.Tensor, v: tf.Tensor): tf.Scalar => {
    const each = batches.map(x => {
      const output = tf.matMul(tf.matMul(tf.matMul(x, w as tf.Tensor2D), v as tf.Tensor2D), w as tf.Tensor2D) as tf.Tensor2D
      const answers = tf.oneHot(tf.argMax(output, 1), 2)
      return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(output), tf.cast(answers, 'float32')), 1)))
    })
    return tf.div(tf.add(each[0], each[1]), 2)
  }
  const [w, v] = tf.grads(loss)([tf.tensor2d(WEIGHTS.w.flat(), [2, 2]), tf.tensor2d(WEIGHTS.v.flat(), [2, 2])])
  for (const [name, want] of [
    ['w', w],
    ['v', v],
  ] as const)
    // prettier-ignore
    (await want.data()).forEach((value, i) => expect(found[name][i]).toBeCloseTo(value, 5))
})

it('follows the next tokens of texts', async () => {
  const table: Stage = {
    ...{ name: 'table', parameters: ['w'], sites: [] },
    run: (x, { weights }) => tf.reshape(tf.gather(weights('w'), tf.reshape(x, [-1]) as tf.Tensor1D), [...x.shape, 2]),
  }
  // tokens 0 1: the row of 0 is asked for 1: logits (1, .5), p = (.6225, .3775); the row of 1 is asked for nothing
  const { w } = await gradientsOf(model([table]), [tf.tensor2d([[0, 1]], [1, 2], 'int32')])
  const want = [0.6225, -0.6225, 0, 0]
  w.forEach((value, i) => expect(value).toBeCloseTo(want[i], 4))
})

it('follows a loss of the caller by its gradient, batch by batch', async () => {
  const found: Record<string, readonly number[]> = {}
  const batches = [tf.tensor2d([[1, 0]]), tf.tensor2d([[0, 2]])] // prettier-ignore
  const visit = async (name: string, gradient: tf.Tensor): Promise<void> => void (found[name] = [...(await gradient.data())])
  await walkGradients(model([product('one', 'w')]), 'test', contextOf(batches), visit, {
    of: ({ input, output, batch }) => {
      expect([input.shape, output.shape]).toEqual([[1, 2], [1, 2]]) // prettier-ignore
      return tf.tensor2d([[batch, 10]])
    },
  })
  expect(found.w).toEqual([0, 5, 1, 10]) // xᵀ dy: (0, 10; 0, 0) and (0, 0; 2, 20), the mean of both
  tf.dispose(batches)
})

it('follows labels where there are some', async () => {
  // as above, but the second is right: dy = (.8808, −.8808); dV = hiddenᵀ dy, hidden (1, .5)
  const { v } = await gradientsOf(model([product('one', 'w'), product('two', 'v')]), [tf.tensor2d([[1, 0]])], [1])
  const want = [0.8808, -0.8808, 0.4404, -0.4404]
  v.forEach((value, i) => expect(value).toBeCloseTo(want[i], 4))
})

it.each([
  [[0], 'calibration has 2 inputs and more'],
  [[0, 1, 1], 'calibration has 2 inputs.'],
  [[0, 2], '2 is none of 2 classes'],
  [[0, 0.5], '0.5 is none of 2 classes'],
])('refuses labels that do not fit: %j', async (labels, why) => {
  const before = tf.memory().numTensors
  const x = [tf.tensor2d([[1, 0]]), tf.tensor2d([[0, 1]])]
  await expect(gradientsOf(model([product('one', 'w')]), x, labels)).rejects.toMatchObject({ code: 'BAD_DATA', message: expect.stringContaining(why) }) // prettier-ignore
  tf.dispose(x)
  expect(tf.memory().numTensors).toBe(before)
})

it('refuses labels of what answers by tokens, and networks that give hidden states', async () => {
  const wide: Stage = { ...product('wide', 'w'), run: x => tf.expandDims(x, 1) }
  const x = [tf.tensor2d([[1, 0]])]
  await expect(gradientsOf(model([wide]), x, [0])).rejects.toMatchObject({ code: 'BAD_DATA', message: expect.stringContaining('answers 1 × 1 × 2') }) // prettier-ignore
  const hidden = { ...model([product('one', 'w')]), task: 'hidden-states' }
  await expect(gradientsOf(hidden, x)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('hidden states') })
})

it('asks a network for masked tokens what it answers itself, not for the next token', async () => {
  const table: Stage = { ...product('table', 'w'), run: (x, { weights }) => tf.reshape(tf.gather(weights('w'), tf.reshape(x, [-1]) as tf.Tensor1D), [...x.shape, 2]) } // prettier-ignore
  const masked = { ...model([table]), task: 'masked-language' }
  // both rows of the table answer their first: (.6225, .3775) and (.7311, .2689), each half of the mean
  const { w } = await gradientsOf(masked, [tf.tensor2d([[0, 1]], [1, 2], 'int32')])
  const want = [-0.1888, 0.1888, -0.1345, 0.1345]
  w.forEach((value, i) => expect(value).toBeCloseTo(want[i], 4))
})

it('refuses stages without gradients and runs without inputs, and leaves no tensor', async () => {
  const before = tf.memory().numTensors
  const closed: Stage = { ...product('closed', 'w'), differentiable: false }
  const x = tf.tensor2d([[1, 0]])
  await expect(gradientsOf(model([closed]), [x])).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('none pass through "closed"') }) // prettier-ignore
  await expect(gradientsOf(model([product('one', 'w')]), [])).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
  await gradientsOf(model([product('one', 'w')]), [x])
  x.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
