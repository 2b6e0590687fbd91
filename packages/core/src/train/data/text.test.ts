import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng } from '../../run/rng.js'
import { crossEntropy } from '../losses.js'
import { held } from './held.js'
import { maskedTokens } from './masked-tokens.js'
import { windowBatches, type TokenBatch } from './window-batches.js'

beforeAll(() => tf.setBackend('cpu'))

const rows = (batch: TokenBatch): number[][][] => {
  const values = [batch.input.arraySync(), batch.target.arraySync(), [batch.sample.arraySync()]] as number[][][]
  tf.dispose({ ...batch })
  return values
}
const counting = Int32Array.from({ length: 100 }, (_, i) => i)

describe('windows of one text', () => {
  const data = windowBatches({ ids: counting, batch: 3, length: 4 })

  it('begin anywhere, and their target is what comes next', () => {
    const [input, target, [sample]] = rows(data(0, createRng(1)))
    expect(sample).toHaveLength(3)
    expect(input).toEqual(sample.map(at => [0, 1, 2, 3].map(i => at + i)))
    expect(target).toEqual(sample.map(at => [1, 2, 3, 4].map(i => at + i)))
  })

  it('are a function of the random numbers, and reach both ends of the text', () => {
    expect(rows(data(5, createRng(2)))).toEqual(rows(data(5, createRng(2))))
    expect(rows(data(5, createRng(2)))).not.toEqual(rows(data(5, createRng(3))))
    const rng = createRng(4)
    const [, , all] = [0, 0, Array.from({ length: 300 }, () => rows(data(0, rng))[2][0]).flat()]
    expect([Math.min(...all), Math.max(...all)]).toEqual([0, 95])
  })
})

describe('windows cut already', () => {
  const windows = [0, 1, 2, 3, 4].map(i => [10 * i, 10 * i + 1, 10 * i + 2, 10 * i + 3])
  const data = windowBatches({ windows, batch: 2, length: 3 })

  it('are each seen once in a pass, in another order each time', () => {
    const samples = Array.from({ length: 10 }, (_, step) => rows(data(step, createRng(0)))[2][0]).flat()
    const passes = [0, 1, 2, 3].map(pass => samples.slice(5 * pass, 5 * pass + 5))
    for (const pass of passes) expect([...pass].sort()).toEqual([0, 1, 2, 3, 4])
    expect(new Set(passes.map(String)).size).toBeGreaterThan(1)
    const [input, target, [sample]] = rows(data(7, createRng(9)))
    expect(sample).toEqual(samples.slice(14, 16))
    expect(input).toEqual(sample.map(i => [10 * i, 10 * i + 1, 10 * i + 2]))
    expect(target).toEqual(sample.map(i => [10 * i + 1, 10 * i + 2, 10 * i + 3]))
  })

  it('come in the order of a seed, from any step on', () => {
    const order = (seed: number, from: number) => rows(windowBatches({ windows, batch: 2, length: 3, seed })(from, createRng(0)))
    expect(order(1, 6)).toEqual(order(1, 6))
    expect([1, 2, 3, 4].map(seed => `${order(seed, 6)}`)).not.toEqual(Array(4).fill(`${order(1, 6)}`))
  })
})

describe('masked tokens', () => {
  const mask = maskedTokens({ rate: 0.3, mask: 1, vocabulary: 50, special: [0, 1, 2] })
  const ids = Int32Array.from({ length: 20_000 }, (_, i) => i % 50)

  it('are three in ten, of which eight in ten are hidden and one stays', () => {
    const { input, target } = mask(ids, createRng(3))
    const chosen = [...target.keys()].filter(i => target[i] >= 0)
    expect(ids.map((_, i) => (target[i] >= 0 ? target[i] : input[i]))).toEqual(ids)
    expect(chosen.length / 20_000).toBeCloseTo(0.3 * 0.94, 1.5)
    expect(chosen.filter(i => input[i] === 1).length / chosen.length).toBeCloseTo(0.8, 1.5)
    expect(chosen.filter(i => input[i] === ids[i]).length / chosen.length).toBeCloseTo(0.1, 1.5)
    expect(chosen.some(i => ids[i] < 3)).toBe(false)
  })

  it('are the target of a batch, which costs what the chosen cost', async () => {
    const data = windowBatches({ windows: [[5, 6, 7, 8]], batch: 1, length: 4, masked: masking })
    const [input, target] = rows(data(0, createRng(0)))
    expect([input, target]).toEqual([[[1, 6, 7, 9]], [[5, -1, -1, 8]]])
    const logits = tf.tensor2d([0, Math.log(3), 100, 0, 0, 100, 0, 0], [4, 2]) // of two classes
    const loss = crossEntropy(logits, { input: logits, target: tf.tensor1d([1, -1, -1, 0], 'int32') })
    expect((await loss.data())[0]).toBeCloseTo((Math.log(4 / 3) + Math.log(2)) / 2, 5)
  })

  const masking = () => ({ input: Int32Array.of(1, 6, 7, 9), target: Int32Array.of(5, -1, -1, 8) })
})

it('cross entropy of shares is the mean of theirs', async () => {
  const logits = tf.tensor2d([0, Math.log(3), 0, 0], [2, 2])
  const loss = crossEntropy(logits, { input: logits, target: tf.tensor2d([0.25, 0.75, 1, 0], [2, 2]) })
  expect((await loss.data())[0]).toBeCloseTo((0.25 * Math.log(4) + 0.75 * Math.log(4 / 3) + Math.log(2)) / 2, 5)
})

it('a held batch comes so many times, whatever the random numbers of the step', () => {
  const data = held(windowBatches({ ids: counting, batch: 3, length: 4 }), 3, 7)
  const steps = Array.from({ length: 6 }, (_, step) => rows(data(step)))
  expect(steps[1]).toEqual(steps[0])
  expect(steps[2]).toEqual(steps[0])
  expect(steps[3]).not.toEqual(steps[0])
  expect(steps[5]).toEqual(steps[3])
})

it.each([
  [() => windowBatches({ ids: counting, batch: 0, length: 4 }), 'windowBatches got batch = 0.\nPass a positive integer.'],
  [() => windowBatches({ ids: counting, batch: 1, length: 1.5 }), 'windowBatches got length = 1.5.\nPass a positive integer.'],
  [() => windowBatches({ batch: 1, length: 4 }), 'windowBatches got no tokens.\nPass either ids or windows.'],
  [() => windowBatches({ ids: [], windows: [], batch: 1, length: 4 }), 'windowBatches got both ids and windows.'],
  [() => windowBatches({ ids: [1, 2, 3, 4], batch: 1, length: 4 }), 'a text of 4 tokens where 5 are needed.\nPass longer texts'],
  [() => windowBatches({ windows: [[1, 2, 3], [1]], batch: 1, length: 2 }), 'a text of 1 tokens where 3 are needed.'],
  [() => windowBatches({ windows: [], batch: 1, length: 2 }), 'windowBatches got no windows where 3 are needed.'],
  [() => maskedTokens({ rate: 0, mask: 1, vocabulary: 5 }), 'maskedTokens got rate = 0.\nPass a number above 0 and up to 1'],
  [() => maskedTokens({ mask: 5, vocabulary: 5 }), 'maskedTokens got mask = 5 of 5 tokens.\nPass ids of the vocabulary.'],
  [() => held(() => 0, 0), 'held got times = 0.\nPass a positive integer.'],
] as const)('says what does not fit: %#', (make, message) => expect(make).toThrow(message))
