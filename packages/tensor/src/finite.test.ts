import type { CompressionError } from './errors.js'
import { fromFloat32 } from './dense.js'
import { finiteRange, finiteRangeOfBf16, placeOf, requireFinite } from './finite.js'

const failure = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return `${(error as CompressionError).code}: ${(error as Error).message}`
  }
  return 'none'
}

it('finds the first value that is no number, and the largest magnitude before it', () => {
  expect(finiteRange([1, -3, 2])).toEqual({ bad: -1, largest: 3 })
  expect(finiteRange([1, NaN, 9])).toEqual({ bad: 1, largest: 1 })
  expect(finiteRange([-Infinity])).toEqual({ bad: 0, largest: 0 })
})

it('finds the same by the bits of float32 and of bf16, whatever their number and place', () => {
  for (const values of [[1, -3, 2], [1, NaN, 9], [-0.5, 2, -Infinity, 1], [-4, 2, 0.5, -0], []]) {
    const floats = Float32Array.from(values)
    const codes = Uint16Array.from(floats, value => new Uint32Array(Float32Array.of(value).buffer)[0] >>> 16)
    const shifted = new Uint16Array(codes.length + 1)
    shifted.set(codes, 1)
    for (const range of [finiteRange(floats), finiteRangeOfBf16(codes), finiteRangeOfBf16(shifted.subarray(1))])
      expect(range).toEqual(finiteRange(values))
  }
})

it('says whose value is no number, and where', () => {
  expect(placeOf(23, [2, 3, 4])).toEqual([1, 2, 3])
  expect(requireFinite('w', [1, -7, 2, 0], [2, 2])).toBe(7)
  expect(failure(() => requireFinite('w', [1, 2, 3, -Infinity, 5, 6], [2, 3]))).toBe(
    'NOT_FINITE: "w" holds -Infinity at [1, 0].\nIt cannot be rounded to another type: repair the weights first, or leave this one as it is.',
  )
})

it.each([
  ['f16', 65519, 65520],
  ['bf16', 3.3895e38, 3.4e38],
  ['f8e4m3', 448, 480],
  ['f8e5m2', 57344, 65536],
] as const)('keeps the largest numbers of %s and refuses those beyond', (dtype, largest, beyond) => {
  expect(() => fromFloat32([largest, -largest], dtype, [2])).not.toThrow()
  expect(failure(() => fromFloat32([0, 0, -beyond], dtype, [3, 1]))).toBe(
    `NOT_FINITE: ${-beyond} at [2, 0] is beyond the numbers of ${dtype}.\nChoose a dtype with a wider range, such as bf16 or f32.`,
  )
})

it('leaves NaN and infinities what they are', () => {
  expect([...fromFloat32([Infinity, -Infinity], 'f16', [2]).bytes]).toEqual([0, 0x7c, 0, 0xfc])
})
