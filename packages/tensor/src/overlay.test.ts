import { fromFloat32 } from './dense.js'
import { overlay } from './overlay.js'
import { memoryStore } from './store.js'

const vector = (...values: readonly number[]) => fromFloat32(values, 'f32', [values.length])

it('gives what was put in the place of a parameter, what was added, and the rest as it was', async () => {
  const own = { a: vector(1), b: vector(2) }
  const store = overlay(memoryStore(own), new Map([['b', vector(3, 4)], ['c', vector(5)]])) // prettier-ignore
  expect(store.names()).toEqual(['a', 'b', 'c'])
  expect([store.info('a').shape, store.info('b').shape, store.info('c').shape]).toEqual([[1], [2], [1]])
  expect(await store.read('a')).toBe(own.a)
  expect(await store.read('b')).toEqual(vector(3, 4))
  await expect(store.read('d')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
