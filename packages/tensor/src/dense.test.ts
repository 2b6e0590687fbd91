import * as fc from 'fast-check'
import { packBits, unpackBits } from './bits.js'
import { dense, fromFloat32, fromIntegers, toFloat32, toInt32 } from './dense.js'
import { bytesOf, DTYPES, isDType, sizeOf, type DType } from './dtype.js'

const integers = (Object.keys(DTYPES) as DType[]).filter(dtype => ['signed', 'unsigned'].includes(DTYPES[dtype].kind))

it('packs codes as one little-endian bit stream', () => {
  expect([...packBits([1, 2, 3, 4], 4)]).toEqual([0x21, 0x43])
  expect([...packBits([0, 1, 2, 3, 4, 5, 6, 7], 3)]).toEqual([0x88, 0xc6, 0xfa])
  expect([...packBits([1, 0, 0, 0, 0, 0, 0, 0, 1], 1)]).toEqual([1, 1])
})

it('unpacks what it packed, for any width and length', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(255), { maxLength: 70 }), (bits, values) => {
      const codes = values.map(value => value % 2 ** bits)
      expect([...unpackBits(packBits(codes, bits), bits, codes.length)]).toEqual(codes)
    }),
  )
})

it.each(integers)('stores the whole range of %s', dtype => {
  const { bits, kind } = DTYPES[dtype]
  const width = Math.min(bits, 31)
  const low = kind === 'signed' ? -(2 ** (width - 1)) : 0
  const high = kind === 'signed' ? 2 ** (width - 1) - 1 : 2 ** width - 1
  const values = [low, 0, 1, high]
  const stored = fromIntegers(values, dtype, [4])
  expect([...toInt32(stored)]).toEqual(values)
  expect(stored.bytes.byteLength).toBe(Math.ceil((4 * bits) / 8))
})

it('reads floats of every width, also from bytes at an odd offset', () => {
  const stored = fromFloat32([1, -2.5, 0.15625], 'f32', [3])
  const shifted = new Uint8Array(stored.bytes.byteLength + 1)
  shifted.set(stored.bytes, 1)
  expect([...toFloat32(dense('f32', [3], shifted.subarray(1)))]).toEqual([1, -2.5, 0.15625])
  for (const dtype of ['f64', 'f16', 'bf16', 'f8e4m3', 'f8e5m2'] as const)
    expect([...toFloat32(fromFloat32([1, -2.5], dtype, [2]))]).toEqual([1, -2.5])
})

it('reads powers of two, and refuses to compute with what is only copied', () => {
  expect([...toFloat32(dense('f8e8m0', [4], Uint8Array.of(127, 128, 120, 255)))]).toEqual([1, 2, 2 ** -7, NaN])
  const copied = dense('c64', [1], new Uint8Array(8))
  expect(() => toFloat32(copied)).toThrow('Expected a dtype that is computed with, got c64.\nConvert the tensor first')
  expect(() => toInt32(copied)).toThrow('Expected an integer dtype, got c64.')
})

it('gives an array that the caller owns', () => {
  const stored = fromFloat32([1, 2], 'f32', [2])
  toFloat32(stored)[0] = 9
  expect(toFloat32(stored)[0]).toBe(1)
})

it('knows sizes', () => {
  expect(sizeOf([])).toBe(1)
  expect(sizeOf([3, 0])).toBe(0)
  expect(bytesOf('u3', [3])).toBe(2)
  expect(isDType('bf16')).toBe(true)
  expect(isDType('toString')).toBe(false)
})

it('tells a byte count that does not fit the shape', () => {
  expect(() => dense('f16', [3], new Uint8Array(5))).toThrow(
    'f16 [3] takes 6 bytes, got 5.\nPass the bytes of the whole tensor and nothing else.',
  )
  expect(() => fromFloat32([1], 'f32', [2])).toThrow('[2] holds 2 values, got 1.\nPass as many values as the shape says.')
})

it('tells a dtype of the wrong kind', () => {
  expect(() => fromFloat32([1], 'u4', [1])).toThrow(
    expect.objectContaining({ code: 'DTYPE', message: expect.stringContaining('Expected a float dtype, got u4.\n') }),
  )
  expect(() => fromIntegers([1], 'f16', [1])).toThrow(expect.objectContaining({ code: 'DTYPE' }))
  expect(() => toInt32(fromFloat32([1], 'f16', [1]))).toThrow(expect.objectContaining({ code: 'DTYPE' }))
})
