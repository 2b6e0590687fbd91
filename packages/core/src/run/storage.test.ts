import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32, memorySink, memoryStore, type ParameterStore } from '@tersor/tensor'
import type { Scratch } from './scratch.js'
import { storageOf } from './storage.js'

const one = fromFloat32([1], 'f32', [1])
const two = fromFloat32([2], 'f32', [1])

it('holds results in memory where there is no working place, and notes them', async () => {
  const opened = new Set<ParameterStore>()
  const storage = storageOf({ activationBytes: 0, place: '0', opened })
  const sink = storage.sink()
  await sink.write('a', one)
  const whole = await sink.finish()
  const staged = storage.staged()
  expect(await staged.resume()).toBeUndefined()
  await staged.endStage(new Map([['a', two]]), [])
  const changed = await staged.finish(memoryStore({ a: one, b: one }), ['a', 'b'])
  expect(await whole.read('a')).toEqual(one)
  expect([await changed.read('a'), await changed.read('b')]).toEqual([two, one])
  expect([...opened]).toEqual([whole, changed])
})

it('writes whole results and stages to the working place under the place of the step', async () => {
  const seen: string[] = []
  const scratch: Partial<Scratch> = {
    create: unit => (seen.push(`create ${unit}`), memorySink()),
    find: async unit => void seen.push(`find ${unit}`),
    save: async (unit, parameters) => (seen.push(`save ${unit}`), memoryStore(Object.fromEntries(parameters))),
  }
  const storage = storageOf({ scratch: scratch as Scratch, activationBytes: 0, place: '1.0', opened: new Set() })
  storage.sink()
  const staged = storage.staged()
  await staged.resume()
  await staged.endStage(new Map([['a', two]]), [])
  expect(await (await staged.finish(memoryStore({}), ['a'])).read('a')).toEqual(two)
  expect(seen).toEqual(['create 1.0', 'find 1.0-0', 'save 1.0-0'])
})

it('lends the batches that it holds, which stay the caller’s', async () => {
  await tf.setBackend('cpu')
  const batch = tf.tensor1d([1, 2])
  const activations = storageOf({ activationBytes: 0, place: '0', opened: new Set() }).activations([batch])
  expect([...(await activations.use(0, x => x.data()))]).toEqual([1, 2])
  await activations.dispose()
  expect(batch.isDisposed).toBe(false)
  batch.dispose()
})
