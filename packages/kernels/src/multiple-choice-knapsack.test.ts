import { multipleChoiceKnapsack } from './multiple-choice-knapsack.js'

/** Two items: errors 1 and 3 for sizes 8 and 4, errors 1 and 2 for sizes 6 and 2. */
const TWO = { errors: [[1, 3], [1, 2]], sizes: [[8, 4], [6, 2]] } // prettier-ignore
const sizeOf = (sizes: readonly (readonly number[])[], choice: Int32Array | undefined): number =>
  choice!.reduce((sum, candidate, item) => sum + sizes[item][candidate], 0)

it.each([4, 10_000])('chooses what is worked by hand: 14 within 2, 10 within 4, 6 within 5, in %d buckets', buckets => {
  const choose = (limit: number) => multipleChoiceKnapsack({ ...TWO, limit, buckets: buckets === 4 ? limit : buckets })
  expect(sizeOf(TWO.sizes, choose(2))).toBe(14)
  expect(sizeOf(TWO.sizes, choose(4))).toBe(10)
  expect(choose(5)).toEqual(Int32Array.of(1, 1))
  expect(choose(1)).toBeUndefined()
})

it('rounds errors up where the nearest buckets break the limit: in two buckets, 0.7 of 1 takes both', () => {
  const tables = { errors: [[0.7, 0.1], [0.7, 0.1]], sizes: [[1, 3], [1, 4]], buckets: 2 } // prettier-ignore
  expect(multipleChoiceKnapsack({ ...tables, limit: 1 })).toEqual(Int32Array.of(1, 1)) // and each 0.1 one
  expect(multipleChoiceKnapsack({ ...tables, buckets: 10, limit: 1 })).toEqual(Int32Array.of(1, 0))
  expect(multipleChoiceKnapsack({ ...TWO, limit: 3 })).toEqual(Int32Array.of(0, 1)) // 1/3 and 2/3 of 10,000
})

it('takes what has no error for nothing, and only that within 0', () => {
  expect(multipleChoiceKnapsack({ errors: [[0, 1], [2, 0]], sizes: [[9, 1], [1, 9]], limit: 0 })).toEqual(Int32Array.of(0, 1)) // prettier-ignore
  expect(multipleChoiceKnapsack({ errors: [], sizes: [], limit: 1 })).toEqual(new Int32Array(0))
})

it('is never above its limit, and within a bucket an item as small as the best of all choices', () => {
  let state = 5
  const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32
  let above = 0
  let larger = 0
  for (let round = 0; round < 40; round++) {
    const errors = Array.from({ length: 4 }, () => Array.from({ length: 4 }, next))
    const sizes = errors.map(row => row.map(error => Math.round(20 / (0.1 + error)) + Math.floor(5 * next())))
    const limit = 1.6 + next()
    let best = Infinity
    for (let code = 0; code < 256; code++) {
      const picked = [0, 1, 2, 3].map(item => (code >> (2 * item)) & 3)
      const error = picked.reduce((sum, candidate, item) => sum + errors[item][candidate], 0)
      if (error <= limit * (1 - 4 / 10_000)) best = Math.min(best, picked.reduce((sum, candidate, item) => sum + sizes[item][candidate], 0)) // prettier-ignore
    }
    const choice = multipleChoiceKnapsack({ errors, sizes, limit })!
    if (choice.reduce((sum, candidate, item) => sum + errors[item][candidate], 0) > limit) above++
    if (sizeOf(sizes, choice) > best) larger++
  }
  expect([above, larger]).toEqual([0, 0])
})

it('refuses tables that are none', () => {
  expect(() => multipleChoiceKnapsack({ ...TWO, limit: NaN })).toThrow('A choice got a limit of NaN.\nPass a number')
  expect(() => multipleChoiceKnapsack({ ...TWO, limit: 1, buckets: 0 })).toThrow('A choice got 0 buckets.\nPass an integer')
  expect(() => multipleChoiceKnapsack({ errors: [[1]], sizes: [], limit: 1 })).toThrow('There are errors of 1 items and sizes of 0.')
  expect(() => multipleChoiceKnapsack({ errors: [[-1]], sizes: [[1]], limit: 1 })).toThrow('Item 0 has the errors -1 and the sizes 1.')
})
