import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { casesTried } from '@tersor/testing'
import { registerGradients } from './gradients.js'
import { curvatureOf, functions, ONCE, twice, type Function } from './gradients.reference.js'
import { llama, TINY } from './llama.reference.js'
import { distance, values } from './values.reference.js'

/** What the first engine gave, which the second is held to as well. */
const slopes = new Map<string, number[][]>()
const curvatures = new Map<string, number>()

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

/** A rule is the same on each engine, whose kernels have tests of their own: on the second every third. */
const triedOn = <T>(backend: string, all: readonly T[]): readonly T[] => (backend === 'cpu' ? all : casesTried(all, 3))

describe.each(['cpu', 'ort'])('gradients on %s agree with finite differences', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))
  for (const [name, make] of triedOn(backend, Object.entries(functions)))
    it(name, async () => {
      expect(tf.getBackend()).toBe(backend)
      const [f, inputs] = make()
      const shape = f(...inputs).shape
      const weights = tf.tensor(values(tf.util.sizeFromShape(shape), 7), shape)
      const got = tf.grads((...at: tf.Tensor[]) => tf.sum(tf.mul(f(...at), weights)) as tf.Scalar)([...inputs])
      const expected = slopes.get(name) ?? (await differences(f, inputs, weights))
      slopes.set(name, expected)
      for (let which = 0; which < inputs.length; which++) {
        expect(got[which].shape).toEqual(inputs[which].shape)
        const away = distance(expected[which], await got[which].data())
        if (away > 5e-3 && !(name === 'floor' || name === 'step' || name === 'sign'))
          expect(Array.from(await got[which].data())).toEqual(expected[which])
      }
    })
})

describe.each(['cpu', 'ort'])('gradients of gradients on %s agree with central differences of gradients', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))
  for (const name of triedOn(backend, twice))
    it(name, async () => {
      const { exact, expected } = await curvatureOf(name, curvatures.get(name))
      curvatures.set(name, expected)
      expect(Math.abs(exact - expected)).toBeLessThan(1e-2 * Math.max(1, Math.abs(expected)))
    })
  it.each([...ONCE])('differentiating %s twice says that nobody has written it', name =>
    expect(() => curvatureOf(name)).toThrow('gradient function not found'),
  )
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
    let before = tf.memory() // two steps and the gradients before them: the third time an engine runs what it has compiled
    for (let step = 0; step < 2; step++) {
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
