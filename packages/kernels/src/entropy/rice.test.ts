import { bitReader, bitWriter } from './bits.js'
import { bestRice, decodeRice, encodeRice, riceBits } from './rice.js'

const drawn = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

it('writes 5 with parameter 1 as 1101, and 0 as 00', () => {
  expect([...encodeRice([5, 0], 1)]).toEqual([0b11010000])
  expect(riceBits([5, 0], 1)).toBe(6)
  expect([...decodeRice(Uint8Array.of(0b11010000), 1, 2)]).toEqual([5, 0])
})

it('gives gaps back, long ones too, and finds the parameter that takes the fewest bits', () => {
  const next = drawn(9)
  for (let round = 0; round < 10; round++) {
    const values = Int32Array.from({ length: 200 }, () => next(2 ** (1 + next(12))))
    const best = bestRice(values)
    for (const parameter of [0, best, 9]) {
      const bytes = encodeRice(values, parameter)
      expect(bytes.length).toBe(Math.ceil(riceBits(values, parameter) / 8))
      expect(decodeRice(bytes, parameter, 200)).toEqual(values)
      expect(riceBits(values, best)).toBeLessThanOrEqual(riceBits(values, parameter))
    }
  }
})

it('writes bits in order, and reads them', () => {
  const writer = bitWriter(30)
  writer.put(5, 3)
  writer.put(0, 0)
  writer.put(2 ** 24 - 2, 24)
  expect([...writer.bytes()]).toEqual([0b10111111, 255, 255, 0b11000000])
  const reader = bitReader(Uint8Array.of(0b10111111, 255, 255, 0b11000000))
  expect([reader.take(3), reader.take(24)]).toEqual([5, 2 ** 24 - 2])
})

it('refuses a parameter that is none, and codes that end early', () => {
  expect(() => encodeRice([1], 25)).toThrow('A Rice parameter is 25.\nPass an integer from 0 to 24.')
  expect(() => decodeRice(Uint8Array.of(255), 0, 1)).toThrow('Codes end behind 1 bytes, in the middle.\nRead')
})
