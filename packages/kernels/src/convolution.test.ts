import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { registerGradients } from './gradients.js'
import { distance, tensor } from './values.reference.js'

beforeAll(() => void registerGradients())

/** Channels that fill whole blocks of ONNX Runtime's layout on every processor, that do on some, and that never do. */
const WIDTHS: [input: number, first: number, second: number][] = [
  [3, 32, 16],
  [16, 16, 32],
  [8, 8, 24],
  [5, 12, 7],
]

/** A residual network of two blocks, with biases, normalisation and strides. */
function network([input, first, second]: [number, number, number]) {
  const shapes = {
    stem: [3, 3, input, first],
    a: [3, 3, first, first],
    b: [3, 3, first, first],
    down: [3, 3, first, second],
    skip: [1, 1, first, second],
  }
  const filters = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], index) => [name, tf.variable(tf.mul(tensor(shape, index + 1), 0.3))]),
  ) as Record<keyof typeof shapes, tf.Variable<tf.Rank.R4>>
  const biases = [first, first, second].map((length, index) => tf.variable(tensor([length], index + 20)))
  const x = tensor([1, 5, 4, input], 9) as tf.Tensor4D
  const loss = () => {
    const conv = (x: tf.Tensor, filter: tf.Variable<tf.Rank.R4>, stride: number) => tf.conv2d(x as tf.Tensor4D, filter, stride, 'same')
    const normalise = (x: tf.Tensor) => {
      const { mean, variance } = tf.moments(x, [0, 1, 2])
      return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-3)))
    }
    const stem = tf.relu(tf.add(conv(x, filters.stem, 1), biases[0]))
    const block = tf.relu(tf.add(stem, tf.add(conv(tf.relu(tf.add(conv(stem, filters.a, 1), biases[1])), filters.b, 1), 0.1)))
    const down = tf.relu(tf.add(normalise(tf.add(conv(block, filters.down, 2), conv(block, filters.skip, 2))), biases[2]))
    return tf.mean(tf.square(tf.mean(down, [1, 2]))) as tf.Scalar
  }
  return { loss, variables: [...Object.values(filters), ...biases] as tf.Variable[] }
}

async function run(backend: string, widths: [number, number, number]) {
  await tf.setBackend(backend)
  expect(tf.getBackend()).toBe(backend)
  const { loss, variables } = network(widths)
  const runs: number[][] = []
  for (let time = 0; time < (backend === 'ort' ? 3 : 1); time++) {
    const { value, grads } = tf.variableGrads(loss, variables)
    const gradients = await Promise.all(variables.map(async variable => [...(await grads[variable.name].data())]))
    runs.push([...(await value.data())], ...gradients)
    tf.dispose([value, grads])
  }
  tf.dispose(variables)
  return runs
}

describe.each(WIDTHS)('a residual network of %d, %d and %d channels', (...widths) => {
  it('has the loss and the gradients of tfjs-cpu, node by node and compiled', async () => {
    const expected = await run('cpu', widths)
    const got = await run('ort', widths)
    got.forEach((values, index) => expect(distance(expected[index % expected.length], values)).toBeLessThan(1e-4))
  })
})
