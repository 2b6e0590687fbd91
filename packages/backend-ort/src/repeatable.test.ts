import * as tf from '@tensorflow/tfjs-core'
import { repeatably, statistics } from '@tersor/backend-ort'

beforeAll(async () => {
  await tf.setBackend('ort')
})

const values = (seed: number, count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i))

/** A block of some nodes, of which a compiled graph fuses a few. */
const block = async (factor = 0.5): Promise<number[]> => {
  const result = tf.tidy(() => {
    const x = tf.tensor2d(values(1, 24 * 40), [24, 40])
    const weight = tf.tensor2d(values(2, 40 * 40), [40, 40])
    const y = tf.add(tf.matMul(x, weight), tf.tensor1d(values(3, 40)))
    const root = tf.sqrt(tf.mean(tf.square(y), -1, true))
    return tf.softmax(tf.mul(tf.div(y, root), factor))
  })
  const data = [...(await result.data())]
  result.dispose()
  return data
}

it('compiles what it sees for the first time, and gives its bits whatever ran before', async () => {
  const before = statistics()
  const first = await repeatably(() => block())
  const seen = statistics()
  expect(seen.interpreted).toBe(before.interpreted)
  expect(seen.compiled).toBeGreaterThan(before.compiled)
  for (let i = 0; i < 4; i++) await block(0.5 + i) // interpreted, compiled, and compiled with the factor as an input
  expect(await repeatably(() => block())).toEqual(first)
  expect(await repeatably(() => repeatably(() => block()))).toEqual(first)
})

it('ends with the work, also where that fails', async () => {
  await expect(
    repeatably(async () => {
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  const before = statistics().interpreted
  const x = tf.tensor1d(values(4, 333))
  const [y] = [tf.tidy(() => tf.exp(tf.sin(tf.cos(tf.tanh(x)))))]
  await y.data()
  tf.dispose([x, y])
  expect(statistics().interpreted).toBe(before + 1)
})

it('keeps the memory of a large graph only once that runs again', async () => {
  const large = async (): Promise<number> => {
    const sum = tf.tidy(() => {
      const x = tf.reshape(tf.linspace(0, 1, 3 * 2 ** 20), [1536, 2048]) // past what is planned for memory at once
      return tf.sum(tf.softmax(tf.tanh(tf.mul(tf.add(tf.exp(x), 1), tf.sub(x, tf.mean(x, 1, true))))))
    })
    const [value] = await sum.data()
    sum.dispose()
    return value
  }
  const compiled: number[] = []
  const found: number[] = []
  for (let run = 0; run < 3; run++) {
    const { compiled: before } = statistics()
    found.push(await repeatably(large))
    compiled.push(statistics().compiled - before)
  }
  expect(compiled).toEqual([1, 1, 0]) // once without memory, once with it
  expect(new Set(found).size).toBe(1)
})
