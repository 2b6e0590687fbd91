import { HIDDEN_FROM_SIGHT, hiddenOf } from './hidden.js'

const X = Math.fround(HIDDEN_FROM_SIGHT)

describe('hiddenOf', () => {
  it('hides what comes behind a query, row by row', () => {
    const hidden = hiddenOf({ queries: Int32Array.of(4, 5), keys: Int32Array.of(0, 4, 5, 1, 2, 3), rows: 2, window: null })
    expect([...hidden!]).toEqual([0, 0, X, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  it('hides what is a window or more before it, by position and not by place', () => {
    expect([...hiddenOf({ queries: Int32Array.of(9), keys: Int32Array.of(0, 6, 7, 9), rows: 1, window: 3 })!]).toEqual([X, X, 0, 0])
  })

  it('is nothing where everything is seen', () => {
    expect(hiddenOf({ queries: Int32Array.of(5), keys: Int32Array.of(0, 5), rows: 1, window: 6 })).toBeUndefined()
  })
})
