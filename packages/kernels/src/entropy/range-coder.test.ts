import { integerTable } from './integer-table.js'
import { decodedByLoops, encodedByLoops } from './range-coder.reference.js'
import { decodeSymbols, encodeSymbols, type SymbolTables } from './range-coder.js'

/** Numbers that look drawn. */
const drawn = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

it('parts 2^precision by weight, one part at least for each, what is left to the heaviest', () => {
  // 16 parts of three symbols: 13 are free, 13 · 6/8 = 9.75, 13 · 2/8 = 3.25, 0: widths 10, 4, 1 and one more
  expect(integerTable([6, 2, 0], 4)).toEqual(Int32Array.of(0, 11, 15, 16))
  expect(integerTable([0, 0], 2)).toEqual(Int32Array.of(0, 3, 4))
  expect(integerTable([5], 3)).toEqual(Int32Array.of(0, 8))
})

it('writes what is worked by hand', () => {
  // halves: each symbol doubles the state, 2²³ → 2²³ · 2 + 1 → (2²⁴ + 1) · 2 = 2²⁵ + 2, no byte leaves below 2³¹
  const tables = { precision: 1, bounds: [Int32Array.of(0, 1, 2)] }
  expect(encodeSymbols(Int32Array.of(0, 1), [0, 0], tables)).toEqual(Uint8Array.of(2, 0, 0, 2))
  expect(decodeSymbols(Uint8Array.of(2, 0, 0, 2), [0, 0], tables)).toEqual(Int32Array.of(0, 1))
})

it.each([1, 4, 12, 16])('gives the bytes of plain loops, and the symbols again: precision %d', precision => {
  const next = drawn(precision)
  for (let round = 0; round < 20; round++) {
    const bounds = Array.from({ length: 1 + next(4) }, () =>
      integerTable(
        Array.from({ length: 1 + next(Math.min(40, 2 ** precision)) }, () => (next(3) === 0 ? 0 : next(1000))),
        precision,
      ),
    )
    const tables: SymbolTables = { precision, bounds }
    const chosen = Array.from({ length: next(400) }, () => next(bounds.length))
    const symbols = Int32Array.from(chosen, table => next(bounds[table].length - 1))
    const bytes = encodeSymbols(symbols, chosen, tables)
    expect(bytes).toEqual(encodedByLoops(symbols, chosen, tables))
    expect(decodeSymbols(bytes, chosen, tables)).toEqual(symbols)
    expect(decodedByLoops(bytes, chosen, tables)).toEqual(symbols)
  }
})

it('takes what the tables say that symbols are worth, within one in a hundred and eight bytes', () => {
  const next = drawn(7)
  const weights = [700, 200, 60, 30, 10]
  const symbols = Int32Array.from({ length: 5000 }, () => {
    const at = next(1000)
    return weights.findIndex((_, i) => weights.slice(0, i + 1).reduce((a, b) => a + b) > at)
  })
  const bounds = integerTable(weights, 12)
  const bits = symbols.reduce((sum, symbol) => sum - Math.log2((bounds[symbol + 1] - bounds[symbol]) / 4096), 0)
  const { length } = encodeSymbols(symbols, new Uint8Array(5000), { precision: 12, bounds: [bounds] })
  expect(length).toBeGreaterThanOrEqual(Math.floor(bits / 8))
  expect(length).toBeLessThan((bits / 8) * 1.01 + 8)
  const one = encodeSymbols(new Int32Array(5000), new Uint8Array(5000), { precision: 12, bounds: [integerTable([1], 12)] })
  expect(one.length).toBe(4) // what is certain costs nothing
})

it('refuses tables and symbols that do not fit, and bytes that were cut', () => {
  const tables = { precision: 8, bounds: [integerTable([3, 1, 1], 8)] }
  const symbols = Int32Array.from({ length: 90 }, (_, i) => i % 3)
  const chosen = new Uint8Array(90)
  const bytes = encodeSymbols(symbols, chosen, tables)
  for (let length = 0; length < bytes.length; length++)
    expect(() => decodeSymbols(bytes.subarray(0, length), chosen, tables)).toThrow(
      `${length} bytes do not end with the last of 90 symbols.\nThey were`,
    )
  expect(() => decodeSymbols(Uint8Array.of(...bytes, 0), chosen, tables)).toThrow('do not end')
  expect(() => encodeSymbols(Int32Array.of(3), [0], tables)).toThrow('Symbol 0 is 3, and its table has 3.')
  expect(() => encodeSymbols(Int32Array.of(0), [1], tables)).toThrow('There is no table 1 for symbol 0.')
  expect(() => decodeSymbols(bytes, [1], tables)).toThrow('There is no table 1 for symbol 0.')
  expect(() => encodeSymbols(Int32Array.of(0, 1), [0], tables)).toThrow('There are 2 symbols, and tables for 1.')
  expect(() => encodeSymbols(symbols, chosen, { precision: 8, bounds: [Int32Array.of(0, 5, 5, 256)] })).toThrow(
    'Table 0 does not ascend from 0 to 256.',
  )
  expect(() => integerTable([1, -1], 4)).toThrow('The weight of symbol 1 is -1.')
  expect(() => integerTable([1, 1, 1], 1)).toThrow('There are 3 symbols for 2 parts.')
  expect(() => integerTable([1], 17)).toThrow('precision is 17.')
})
