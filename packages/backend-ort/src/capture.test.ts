import * as tf from '@tensorflow/tfjs-core'
import { capture, statistics } from '@tersor/backend-ort'
import type { Native } from './binding.js'
import type { OrtEngine } from './engine.js'
import { distance, tensor } from './compare.reference.js'

beforeAll(async () => {
  await tf.setBackend('ort')
  expect(tf.getBackend()).toBe('ort')
})

/** A step that moves weights against x: w ← w − rate·xᵀ(x·w − y), and gives the loss. */
function problem() {
  const weight = tf.variable(tensor([30, 5], 3))
  const step = (x: tf.Tensor, y: tf.Tensor, rate: tf.Tensor): tf.Tensor => {
    const error = tf.sub(tf.matMul(x, weight), y)
    weight.assign(tf.sub(weight, tf.mul(rate, tf.matMul(x, error, true))) as tf.Variable)
    return tf.mean(tf.square(error))
  }
  return { weight, step }
}

async function train(step: (x: tf.Tensor, y: tf.Tensor, rate: tf.Tensor) => tf.Tensor): Promise<number[]> {
  const losses: number[] = []
  for (let time = 0; time < 8; time++) {
    const inputs = [tensor([20, 30], time), tensor([20, 5], time + 50), tf.scalar(0.01 / (time + 1))] as const
    const loss = step(...inputs)
    losses.push((await loss.data())[0])
    tf.dispose([loss, ...inputs])
  }
  return losses
}

describe('capture', () => {
  it('gives what the function gives, with arguments and variables that change', async () => {
    const plain = problem()
    const expected = await train((x, y, rate) => tf.tidy(() => plain.step(x, y, rate)))
    const other = problem()
    const step = capture(other.step as (...inputs: tf.Tensor[]) => tf.Tensor)
    const before = tf.memory().numTensors
    expect(distance(expected, await train(step))).toBeLessThan(1e-6)
    expect(distance(await plain.weight.data(), await other.weight.data())).toBeLessThan(1e-6)
    expect(tf.memory().numTensors).toBe(before)
    step.dispose()
    tf.dispose([plain.weight, other.weight])
  })

  it('copies constants into the graph when asked, and follows arguments and variables', async () => {
    const before = tf.memory().numTensors
    const [weight, copy] = [tensor([40, 30], 7), tensor([40, 30], 7)]
    const shift = tf.variable(tensor([30], 8))
    const affine = (x: tf.Tensor, kernel: tf.Tensor) => tf.add(tf.matMul(x, kernel), shift)
    const layer = capture(x => affine(x, weight), { records: 'first', embeds: true })
    for (let time = 0; time < 3; time++) {
      const x = tensor([50, 40], time)
      const [expected, got] = [tf.tidy(() => affine(x, copy)), layer(x)]
      expect(distance(await expected.data(), await got.data())).toBeLessThan(1e-6)
      if (time === 0) weight.dispose() // the graph has its own
      const next = tensor([30], 20 + time)
      shift.assign(next as tf.Variable)
      tf.dispose([x, expected, got, next])
    }
    layer.dispose()
    tf.dispose([copy, shift])
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1) // the first value of the variable
  })

  it('keeps a graph with constants apart from the same trace over others', async () => {
    const [one, other] = [tensor([40, 30], 1), tensor([40, 30], 2)]
    const x = tensor([50, 40], 3)
    const product = (weight: tf.Tensor) => tf.tidy(() => tf.exp(tf.neg(tf.matMul(x, weight))))
    const layer = capture(() => product(one), { records: 'first', embeds: true })
    tf.dispose([layer(), layer()])
    const results = [product(other), product(other), product(other)]
    const scores = tf.matMul(x, other)
    const expected = (await scores.data()).map(score => Math.exp(-score))
    for (const result of results) expect(distance(expected, await result.data())).toBeLessThan(1e-5)
    layer.dispose()
    tf.dispose([one, other, x, scores, ...results])
  })

  it('runs no JavaScript of the function from the third call on', async () => {
    let calls = 0
    const double = capture(x => {
      calls++
      return tf.mul(tf.add(x, x), tf.exp(x))
    })
    for (let time = 0; time < 5; time++) {
      const x = tensor([200], time)
      const y = double(x)
      expect(distance(await tf.tidy(() => tf.mul(tf.mul(x, 2), tf.exp(x))).data(), await y.data())).toBeLessThan(1e-6)
    }
    expect(calls).toBe(2)
    double(tensor([300]))
    expect(calls).toBe(3)
    double.dispose()
  })

  it('records the first call where it is told to, and compiles once for two functions in turn', async () => {
    let calls = 0
    const compiled = statistics().compiled
    for (let time = 0; time < 2; time++) {
      const twice = capture(x => (calls++, tf.tanh(tf.mul(tf.exp(x), 2))), { records: 'first' })
      for (const seed of [1, 2]) {
        const [x, y] = [tensor([270], seed), twice(tensor([270], seed))]
        const expected = Float32Array.from(await x.data(), value => Math.tanh(2 * Math.exp(value)))
        expect(distance(expected, await y.data())).toBeLessThan(1e-6)
      }
      twice.dispose()
    }
    expect(calls).toBe(2)
    expect(statistics().compiled).toBe(compiled + 1)
  })

  it('keeps the constants it uses', async () => {
    const constant = tensor([300], 8)
    const added = capture(x => tf.mul(tf.add(x, constant), 3))
    added(tensor([300]))
    added(tensor([300]))
    const expected = await tf.mul(tf.add(tensor([300]), constant), 3).data()
    constant.dispose()
    for (let time = 0; time < 3; time++) await tf.add(tensor([300], time), 1).data()
    expect(distance(expected, await added(tensor([300])).data())).toBeLessThan(1e-6)
    added.dispose()
  })

  it('gives several tensors', async () => {
    const both = capture(x => [tf.mul(x, 2), tf.reshape(tf.sub(x, 2), [10, 20])])
    for (let time = 0; time < 4; time++) {
      const [twice, less] = both(tensor([200], time))
      expect(less.shape).toEqual([10, 20])
      expect(distance(await tf.mul(tensor([200], time), 2).data(), await twice.data())).toBe(0)
    }
    both.dispose()
  })

  it('frees the graphs of a refused function, which hold its constants', () => {
    const { native } = (tf.backend() as unknown as { controls(): OrtEngine }).controls() as { native: { open: Native['open'] } }
    const { open } = native
    let held = 0
    native.open = (...given) => {
      const session = open(...given)
      held++
      return { ...session, dispose: () => (held--, session.dispose()) }
    }
    const weight = tensor([40, 30], 1)
    const reading = capture(
      x => {
        const product = tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D)
        return tf.mul(product, product.dataSync().length)
      },
      { records: 'first', embeds: true },
    )
    expect(() => tf.tidy(() => reading(tensor([50, 40])))).toThrow('the function ran 2 graphs instead of one')
    native.open = open
    expect(held).toBe(0)
    weight.dispose()
  })

  it('refuses a function that reads values', () => {
    const reading = capture(x => tf.mul(x, tf.sum(tf.exp(x)).dataSync()[0]))
    reading(tensor([200]))
    expect(() => reading(tensor([200]))).toThrow('capture: the function ran 2 graphs instead of one.\nRead no values in it')
  })

  it('refuses a function that makes constants of its arguments', () => {
    const frozen = capture(x => tf.mul(x, x.dataSync()[0]), { records: 'first' })
    expect(() => frozen(tensor([200]))).toThrow('capture: the function reads values of what it is given.\nRead no values in it')
    const multiplied = capture(x => tf.add(tf.prod(x), tf.max(x)), { records: 'first' })
    expect(() => multiplied(tensor([200]))).toThrow('the function reads values of what it is given')
  })

  it('runs the JavaScript of such a function at every call where it is asked to', async () => {
    let calls = 0
    const reading = capture(x => (calls++, tf.mul(x, tf.sum(x).dataSync()[0])), { records: 'first', refused: 'run' })
    for (let factor = 1; factor <= 3; factor++) {
      const [x, other] = [tf.fill([200], factor), tf.fill([20], factor)]
      const [y, small] = [reading(x), reading(other)]
      expect((await y.data())[7]).toBe(200 * factor * factor)
      expect((await small.data())[7]).toBe(20 * factor * factor)
      tf.dispose([x, other, y, small])
    }
    expect(calls).toBe(6)
    reading.dispose()
  })

  it('refuses a function that keeps tensors', () => {
    const holding = capture(x => {
      tf.keep(tf.add(x, 1))
      return tf.mul(x, 2)
    })
    holding(tensor([200]))
    expect(() => holding(tensor([200]))).toThrow('keeps a tensor that it neither returns nor assigns')
  })

  it('compiles once', async () => {
    const square = capture(x => tf.sum(tf.sqrt(tf.exp(tf.square(x)))))
    const before = statistics().compiled
    for (let time = 0; time < 5; time++) await square(tensor([400], time)).data()
    expect(statistics().compiled).toBe(before + 1)
    square.dispose()
  })

  it('is the function itself on another backend', async () => {
    await tf.setBackend('cpu')
    const double = capture(x => tf.mul(x, 2))
    for (let time = 0; time < 3; time++) expect((await double(tf.scalar(time)).data())[0]).toBe(2 * time)
    await tf.setBackend('ort')
  })
})
