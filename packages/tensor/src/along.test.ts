import { clearAlong, fromFloat32, fromIntegers, takeAlong, toFloat32, toInt32, type DType } from '@tersor/tensor'

const rising = (...shape: readonly number[]) => Array.from({ length: shape.reduce((size, extent) => size * extent, 1) }, (_, i) => i)

describe('positions along an axis', () => {
  it('are taken in the order that names them, rows and columns', () => {
    const matrix = fromFloat32(rising(3, 4), 'f32', [3, 4])
    expect([...toFloat32(takeAlong(matrix, 0, [2, 0]))]).toEqual([8, 9, 10, 11, 0, 1, 2, 3])
    expect([...toFloat32(takeAlong(matrix, 1, [3, 1]))]).toEqual([3, 1, 7, 5, 11, 9])
    expect(takeAlong(matrix, 1, [3, 1]).shape).toEqual([3, 2])
  })

  it.each<DType>(['f64', 'f16', 'bf16', 'u8', 'i8', 'i4', 'u3', 'u1'])('are taken of %s in the middle of a shape', dtype => {
    const values = rising(2, 3, 2).map(value => value % 2)
    const make = dtype.startsWith('u') || dtype.startsWith('i') ? fromIntegers : fromFloat32
    const read = dtype.startsWith('u') || dtype.startsWith('i') ? toInt32 : toFloat32
    expect([...read(takeAlong(make(values, dtype, [2, 3, 2]), 1, [1, 0]))]).toEqual([2, 3, 0, 1, 8, 9, 6, 7].map(value => value % 2))
  })

  it('are taken where the bytes stand at an odd place', () => {
    const { bytes } = fromFloat32([1, 2, 3, 4], 'f32', [4])
    const moved = new Uint8Array(17)
    moved.set(bytes, 1)
    expect([...toFloat32(takeAlong({ kind: 'dense', dtype: 'f32', shape: [4], bytes: moved.subarray(1) }, 0, [3, 0]))]).toEqual([4, 1])
  })

  it('are cleared, and the tensor that was given stays as it was', () => {
    const matrix = fromFloat32(rising(2, 3), 'bf16', [2, 3])
    expect([...toFloat32(clearAlong(matrix, 1, [0, 2]))]).toEqual([0, 1, 0, 0, 4, 0])
    expect([...toFloat32(clearAlong(matrix, 0, [0]))]).toEqual([0, 0, 0, 3, 4, 5])
    expect([...toFloat32(matrix)]).toEqual(rising(2, 3))
    expect([...toInt32(clearAlong(fromIntegers([1, 2, 3, 1], 'u2', [4]), 0, [1, 2]))]).toEqual([1, 0, 0, 1])
  })
})
