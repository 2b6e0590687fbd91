import { affineOf, factoredOf, maskedOf } from '@tersor/core'
import { fromFloat32, fromIntegers, toFloat32, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { halvesOrder, interleavedOrder, permuteRows } from './rope.js'
import { ropeFactors, scalingOf } from './rope-factors.js'

describe('rows of queries and keys', () => {
  it('puts each pair of a head together', () => {
    // two heads of size 4: halves (0 1 | 2 3) become pairs (0 2)(1 3)
    expect([...interleavedOrder(8, 2)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7])
    expect([...halvesOrder(12, 1)]).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
  })

  it('moves whole rows of any dtype, and back', () => {
    const order = interleavedOrder(8, 2)
    const back = halvesOrder(8, 2)
    const values = Array.from({ length: 24 }, (_, i) => i % 8)
    for (const tensor of [fromFloat32(values, 'f32', [8, 3]), fromIntegers(values, 'u3', [8, 3]), fromIntegers(values, 'i64', [8, 3])]) {
      const moved = permuteRows(tensor, order) as Dense
      expect(moved.bytes).not.toEqual(tensor.bytes)
      expect(permuteRows(moved, back)).toEqual(tensor)
    }
    expect([...toFloat32(permuteRows(fromFloat32([0, 1, 2, 3, 4, 5, 6, 7], 'f32', [8]), order) as Dense)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7])
  })

  it('moves the leaves of trees, and leaves one scale for all rows alone', () => {
    const order = interleavedOrder(4, 1)
    const codes = [0, 0, 1, 1, 2, 2, 3, 3]
    const rows = affineOf({ shape: [4, 2], bits: 2, group: 2, codes, scales: [1, 2, 3, 4] })
    const tree = permuteRows(maskedOf([1, 0, 1, 1, 0, 1, 1, 1], rows), order) as Encoded
    expect([...toInt32(tree.parts.mask as Dense)]).toEqual([1, 0, 0, 1, 1, 1, 1, 1])
    const values = tree.parts.values as Encoded
    expect([...toInt32(values.parts.data as Dense)]).toEqual([0, 0, 2, 2, 1, 1, 3, 3])
    expect([...toFloat32(values.parts.scale as Dense)]).toEqual([1, 3, 2, 4])
    const one = affineOf({ shape: [4, 2], bits: 2, group: 2, codes, scales: [1] })
    expect((permuteRows(one, order) as Encoded).parts.scale).toEqual(one.parts.scale)
  })

  it('leaves trees that are not by rows to the caller', () => {
    const thin = fromFloat32([1, 2, 3, 4], 'f32', [4, 1])
    const tree = factoredOf(thin, fromFloat32([1, 2], 'f32', [1, 2]))
    expect(permuteRows(tree, interleavedOrder(4, 1))).toBeUndefined()
    expect(permuteRows(maskedOf(new Array(8).fill(1), tree), interleavedOrder(4, 1))).toBeUndefined()
  })
})

describe('llama3 factors', () => {
  const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 }

  it('divides slow pairs, keeps fast ones and blends between', () => {
    const factors = ropeFactors(scaling, 128, 500000)
    expect(factors[0]).toBe(1)
    expect(factors[63]).toBe(8)
    // Llama 3.1: pair 32 turns 8192 / (2π · 500000^(1/2)) = 1.8438 times
    expect(factors[32]).toBeCloseTo(1 / ((1 - 0.2813) / 8 + 0.2813), 3)
  })

  it('finds the scaling again', () => {
    expect(scalingOf(ropeFactors(scaling, 128, 500000), 128, 500000, 131072)).toEqual({
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: expect.closeTo(4, 2),
      original_max_position_embeddings: expect.closeTo(8192, 0),
    })
  })

  it.each([
    ['two blended pairs', 128, 10000],
    ['one blended pair', 16, 32],
    ['no blended pair', 8, 20],
    ['slow pairs only', 8, 0.01],
  ])('finds a scaling with the same factors from %s', (_, size, context) => {
    const factors = ropeFactors({ ...scaling, original_max_position_embeddings: context }, size, 500000)
    const found = scalingOf(factors, size, 500000, 256)!
    expect(found.rope_type).toBe('llama3')
    ropeFactors(found, size, 500000).forEach((value, i) => expect(value).toBeCloseTo(factors[i], 4))
  })

  it('keeps factors that no llama3 scaling gives', () => {
    expect(scalingOf(Float32Array.of(1, 3, 2, 8), 8, 10000, 2048)).toEqual({
      rope_type: 'longrope',
      short_factor: [1, 3, 2, 8],
      long_factor: [1, 3, 2, 8],
      attention_factor: 1,
      original_max_position_embeddings: 2048,
    })
    expect(scalingOf(Float32Array.of(1, 1), 4, 10000, 2048)).toBeNull()
  })
})
