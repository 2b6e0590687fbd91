import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { activationsOf } from './activations.js'
import type { Scratch } from './scratch.js'

beforeAll(() => tf.setBackend('cpu'))

/** Bytes in one array instead of a file, and what became of it. */
const memoryScratch = () => {
  const state = { bytes: new Uint8Array(0), opened: 0, closed: 0 }
  const spill = async () => {
    state.opened++
    return {
      write: async (at: number, bytes: Uint8Array) => {
        const grown = new Uint8Array(Math.max(state.bytes.length, at + bytes.length))
        grown.set(state.bytes)
        grown.set(bytes, at)
        state.bytes = grown
      },
      read: async (at: number, length: number) => state.bytes.slice(at, at + length),
      close: async () => void state.closed++,
    }
  }
  return { state, scratch: { spill } as unknown as Scratch }
}

const valuesOf = async (activations: ReturnType<typeof activationsOf>): Promise<number[][]> => {
  const all: number[][] = []
  for (let batch = 0; batch < activations.count; batch++) all.push(await activations.use(batch, async x => [...(await x.data())]))
  return all
}

it('keeps batches in memory up to the limit and the others on the disk, bit for bit', async () => {
  const batches = [0, 1, 2].map(i => tf.tensor2d([[i, i + 0.1]], [1, 2]))
  const before = tf.memory().numTensors
  const { state, scratch } = memoryScratch()
  const activations = activationsOf(batches, 8, scratch) // one batch of two floats
  expect(await valuesOf(activations)).toEqual([0, 1, 2].map(i => [i, Math.fround(i + 0.1)]))
  for (const scale of [3, 1e-40, 7])
    for (let batch = 0; batch < 3; batch++) await activations.replace(batch, await activations.use(batch, x => tf.mul(x, scale)))
  const expected = [0, 1, 2].map(i =>
    [i, i + 0.1].map(x => [3, 1e-40, 7].reduce((y, scale) => Math.fround(y * Math.fround(scale)), Math.fround(x))),
  )
  expect(await valuesOf(activations)).toEqual(expected)
  expect(tf.memory().numTensors).toBe(before + 1)
  expect(state).toMatchObject({ opened: 1, closed: 0 })
  expect(state.bytes.length).toBe(16) // two batches, in the same places at every stage
  await activations.dispose()
  expect(state.closed).toBe(1)
  expect(tf.memory().numTensors).toBe(before)
  expect([...(await batches[2].data())]).toEqual([2, Math.fround(2.1)]) // the caller's, as they were
  tf.dispose(batches)
})

it('gives a larger batch another place, and brings back shape and dtype', async () => {
  const { state, scratch } = memoryScratch()
  const batch = tf.tensor1d([1, 2], 'int32')
  const activations = activationsOf([batch], 0, scratch)
  await activations.replace(0, tf.tensor2d([[5], [6]], [2, 1], 'int32'))
  expect(await activations.use(0, x => [x.shape, x.dtype])).toEqual([[2, 1], 'int32'])
  await activations.replace(0, tf.tensor1d([1, 2, 3]))
  expect(await valuesOf(activations)).toEqual([[1, 2, 3]])
  expect(state.bytes.length).toBe(8 + 12)
  await activations.dispose()
  batch.dispose()
})

it('stays in memory without a scratch folder, and frees what cannot be written', async () => {
  const batch = tf.scalar(1)
  const before = tf.memory().numTensors
  const inMemory = activationsOf([batch], 0)
  await inMemory.replace(0, tf.scalar(2))
  expect(tf.memory().numTensors).toBe(before + 1)
  await inMemory.dispose()
  const failing = activationsOf([batch], 0, { spill: () => Promise.reject(new Error('full')) } as unknown as Scratch)
  await expect(failing.replace(0, tf.scalar(2))).rejects.toThrow('full')
  await failing.dispose()
  expect(tf.memory().numTensors).toBe(before)
  batch.dispose()
})
