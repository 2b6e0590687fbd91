import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { describeCodec, useEngine } from '@tersor/testing'
import { byteLength, dense, encoded, fromFloat32, fromIntegers, toFloat32, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { affineOf, scaleDTypeOf } from './codecs/affine.js'
import { bitmaskOf } from './codecs/bitmask.js'
import { codebookOf, CODEBOOKS, nearestCode, type CodebookName } from './codecs/codebook.js'
import { factoredOf } from './codecs/factored.js'
import { levelsTree } from './codecs/levels.js'
import { maskedOf } from './codecs/masked.js'
import { asMatrix, matrixOf } from './codecs/matrix.js'
import { permutedOf } from './codecs/permuted.js'
import { positionedOf } from './codecs/positioned.js'
import { powersOf } from './codecs/powers.js'
import { projectedOf } from './codecs/projected.js'
import { blockScaledOf, scaledOf } from './codecs/scaled.js'
import { outliersOf } from './codecs/outliers.js'
import { stretchedOf } from './codecs/stretched.js'
import { sumOf } from './codecs/sum.js'
import { tiled, tiledFrom } from './codecs/tiled.js'
import { turnedOf } from './codecs/turned.js'
import { decode } from './model/decode.js'
import * as core from './index.js'

const f32 = (values: number[], shape: number[]) => fromFloat32(values, 'f32', shape)
const valuesOf = async (parameter: Parameter) => {
  const tensor = decode(parameter)
  const values = Array.from(await tensor.data())
  tensor.dispose()
  return values
}

describeCodec('permuted', () => ({ tree: permutedOf([2, 0, 1], f32([1, 2, 3, 4, 5, 6], [2, 3])), values: [2, 3, 1, 5, 6, 4] }))
describeCodec('masked', () => ({ tree: maskedOf([1, 0, 0, 1], f32([1, 2, NaN, 4], [2, 2])), values: [1, 0, 0, 4] }))
describeCodec('affine, symmetric groups with a short last one', () => ({
  tree: affineOf({ shape: [2, 3], bits: 4, group: 2, codes: [8, 9, 15, 0, 7, 8], scales: [1, 2, 0.5, 4] }),
  values: [0, 1, 14, -4, -0.5, 0],
}))
describeCodec('affine, with zeros, one scale a row', () => ({
  tree: affineOf({ shape: [2, 2], bits: 3, group: 2, codes: [0, 7, 3, 4], scales: [1, 2], zeros: [0, 3] }),
  values: [0, 7, 0, 2],
}))
describeCodec('affine, one scale', () => ({
  tree: affineOf({ shape: [2, 2], bits: 8, group: 2, codes: [128, 129, 0, 255], scales: [2] }),
  values: [0, 2, -256, 254],
}))
describeCodec('factored', () => ({ tree: factoredOf(f32([1, 2], [2, 1]), f32([3, 4, 5], [1, 3])), values: [3, 4, 5, 6, 8, 10] }))
describeCodec('factored, of two matrices', () => ({
  tree: factoredOf(f32([1, 2, 1, 0], [2, 2, 1]), f32([3, 4, 5, 6], [2, 1, 2])),
  values: [3, 4, 6, 8, 5, 6, 0, 0],
}))
describeCodec('tiled, a scale for each column of two lines, the last tile lower', () => ({
  tree: encoded(
    tiled,
    [1, 3, 2],
    {
      data: fromIntegers([0, 1, 2, 3, 1, 1], 'u2', [1, 3, 2]),
      scale: f32([1, 2, 4, 8], [1, 2, 2]),
      minimum: f32([0, -1, 0.5, 0], [1, 2, 2]),
    },
    { bits: 2, height: 2, width: 1 },
  ),
  values: [0, 1, 2, 5, 4.5, 8],
}))
describeCodec('tiled, around the middle code, a scale for each half of a line', () => ({
  tree: encoded(
    tiled,
    [1, 1, 4],
    { data: fromIntegers([0, 8, 9, 15], 'u4', [1, 1, 4]), scale: f32([1, 0.5], [1, 1, 2]) },
    { bits: 4, height: 1, width: 2 },
  ),
  values: [-8, 0, 0.5, 3.5],
}))
describeCodec('stretched', () => ({ tree: stretchedOf(f32([1, 2, 3, 4], [1, 2, 2]), f32([2, 10], [1, 1, 2])), values: [2, 20, 6, 40] }))
describeCodec('turned', () => ({ tree: turnedOf(f32([4, 0, 1, 3], [1, 2, 2])), values: [4 / 2 ** 0.5, 4 / 2 ** 0.5, 4 / 2 ** 0.5, -2 / 2 ** 0.5] })) // prettier-ignore
describeCodec('positioned', () => ({
  tree: positionedOf(f32([1, 0, 1, 0], [1, 2, 2]), Int32Array.of(0, 2), Float32Array.of(Math.PI / 4)),
  values: [1, 0, 0, 1],
}))
describeCodec('projected, two heads of two entries', () => ({
  tree: projectedOf(f32([1, 2], [1, 2, 1]), f32([3, 4, 5, 6], [1, 4]), 2),
  values: [3, 4, 6, 8, 5, 6, 10, 12],
}))
describeCodec('outliers along lines', () => ({
  tree: outliersOf(f32([5, -1, 7, 2], [1, 2, 2]), fromIntegers([2, 0, 1, 2], 'u8', [1, 2, 2]), 2, 3),
  values: [-1, 0, 5, 0, 7, 2],
}))
describeCodec('outliers down columns', () => ({
  tree: outliersOf(f32([5, 7], [1, 2, 1]), fromIntegers([2, 0], 'u16', [1, 2, 1]), 1, 3),
  values: [0, 7, 0, 0, 5, 0],
}))
describeCodec('sum', () => ({ tree: sumOf(f32([1, 2], [1, 2]), f32([0.5, -2], [1, 2])), values: [1.5, 0] }))
describeCodec('matrix', () => ({ tree: matrixOf(f32([1, 2, 3, 4, 5, 6], [3, 2]), 1, [2, 3]) as Encoded, values: [1, 3, 5, 2, 4, 6] }))
describeCodec('bitmask', () => ({ tree: bitmaskOf([1, 0, 1, 0, 1, 1], [2, 3], f32([7, 8, 9, 10], [2, 2])), values: [7, 0, 8, 0, 9, 10] }))

describeCodec('codebook, runs over the flattened tensor', () => ({
  // fp4 by code: 1 is 0.0625 / 12, 3 is 1, 13 is −1/2
  tree: codebookOf({ shape: [2, 3], table: 'fp4', block: 4, codes: [3, 13, 0, 1, 3, 13], scale: f32([2, 3], [2]) }),
  values: [2, -1, 0, 0.125 / 12, 3, -1.5],
}))
describeCodec('codebook, runs of a row, the last one short', () => ({
  tree: codebookOf({ shape: [2, 3], table: 'e2m1', block: 2, codes: [7, 15, 1, 2, 3, 9], scale: f32([1, 2, 3, 4], [2, 2]) }),
  values: [6, -6, 1, 3, 4.5, -2],
}))
describeCodec('codebook, with an offset', () => ({
  tree: codebookOf({ shape: [2], table: 'dynamic8', block: 2, codes: [255, 127], scale: f32([0.5], [1]), offset: f32([3], [1]) }),
  values: [3.5, 3],
}))
describeCodec('levels, runs of a row, the last one short', () => ({
  tree: levelsTree({
    ...{ shape: [2, 3], group: 2, data: fromIntegers([2, 1, 0, 0, 1, 2], 'u2', [2, 3]), levels: f32([0, 0.25, 1], [3]) },
    ...{ scale: f32([1, 2, 4, 8], [2, 2]), minimum: f32([0, -1, 3, 0.5], [2, 2]) },
  }),
  values: [1, 0.25, -1, 3, 4, 8.5],
}))
describeCodec('levels alone', () => ({
  tree: levelsTree({ shape: [2], group: 2, data: fromIntegers([1, 0], 'u1', [2]), levels: f32([-3, 7], [2]) }),
  values: [7, -3],
}))
describeCodec('scaled in blocks', () => ({
  tree: blockScaledOf(fromFloat32([1, 1, 1, 1, 1, 1], 'f8e4m3', [2, 3]), [2, 4, 8, 16], [1, 2]),
  values: [2, 2, 4, 8, 8, 16],
}))
it('refuses another number of scales than there are blocks', () =>
  expect(() => blockScaledOf(fromFloat32([1, 1], 'f8e4m3', [1, 2]), [1, 2, 3], [1, 1])).toThrow(
    '1 × 2 values in blocks of 1 × 1 need 2 scales, got 3.\nPass one scale for each block, row of blocks by row of blocks.',
  ))
describeCodec('scaled', () => ({ tree: scaledOf(fromFloat32([448, -1, 0.5, 2], 'f8e4m3', [2, 2]), [2, 4]), values: [896, -2, 2, 8] }))
describeCodec('powers', () => ({ tree: powersOf([127, 126, 137, 0], [2, 2]), values: [1, 0.5, 1024, 2 ** -127] }))

useEngine()

it('tiles matrices from the least to the largest value of each tile', async () => {
  const x = tf.tensor3d([12.7, 0.34, -5, 0, 1, 2, 3, 4], [1, 2, 4])
  const eight = await tiledFrom(x, { bits: 8, height: 1, width: 4, symmetric: true }) // 12.7 / 127 = 0.1; 0.34 → 3
  expect((await valuesOf(eight)).slice(0, 4)).toEqual([12.7, 0.3, -5, 0].map(value => expect.closeTo(value, 2)))
  const two = await tiledFrom(x, { bits: 2, height: 2, width: 1, symmetric: false }) // the ends of each column of two
  expect(await valuesOf(two)).toEqual([12.7, 0.34, -5, 0, 1, 2, 3, 4].map(value => expect.closeTo(value, 2)))
  expect(byteLength(two)).toBe(2 + 4 * 2 * 2) // eight codes, and a scale and a minimum for each column
  const uneven = await tiledFrom(
    tf.tidy(() => tf.slice(x, [0, 0, 0], [1, 2, 4])),
    { bits: 4, height: 64, width: 3, symmetric: false },
  )
  expect([uneven.parts.scale.shape, uneven.attrs.width]).toEqual([[1, 1, 1], 4]) // a width that does not divide the line is the line
  const tiny = await tiledFrom(tf.tensor3d([1e-7, -1e-7, 0, 0], [1, 1, 4]), { bits: 4, height: 1, width: 4, symmetric: false })
  expect((await valuesOf(tiny))[0]).toBeCloseTo(1e-7, 9) // scales that a half loses are stored in full
})

it('lists every codec that it exports', () => {
  const isCodec = (value: unknown): value is Codec => typeof (value as Partial<Codec>).decode === 'function' && typeof value === 'object'
  const exported = Object.values(core).filter(isCodec)
  expect(exported).toContain(core.powers)
  expect(new Set(core.CORE_CODECS)).toEqual(new Set(exported))
})

it('has the tables of bitsandbytes', () => {
  expect(CODEBOOKS.dynamic8).toHaveLength(256)
  expect([CODEBOOKS.dynamic8[0], CODEBOOKS.dynamic8[127], CODEBOOKS.dynamic8[255]]).toEqual([-0.992968738079071, 0, 1])
  expect(CODEBOOKS.dynamic8[128]).toBeCloseTo(0.55e-6, 12) // the only level of the lowest decade: the middle of 0.1 and 1
  expect(CODEBOOKS.fp4.slice(0, 8).map(level => level * 12)).toEqual([0, 0.0625, 8, 12, 4, 6, 2, 3].map(value => expect.closeTo(value, 5)))
})

it.each(Object.keys(CODEBOOKS) as CodebookName[])('finds every level of %s, and the lower one of two that are as near', name => {
  const levels = CODEBOOKS[name]
  const code = nearestCode(name)
  levels.forEach(level => expect(levels[code(level)]).toBe(level === 0 ? levels[code(0)] : level))
  const sorted = [...new Set(levels)].sort((a, b) => a - b)
  for (let i = 1; i < sorted.length; i++) expect(levels[code(sorted[i] * 0.499 + sorted[i - 1] * 0.501)]).toBe(sorted[i - 1])
  expect(levels[code(-2000)]).toBe(sorted[0])
  expect(levels[code(2000)]).toBe(sorted.at(-1))
})

it('codebook refuses scales that do not fit its blocks', () => {
  expect(() => codebookOf({ shape: [1, 5], table: 'nf4', block: 2, codes: [0, 0, 0, 0, 0], scale: f32([1], [1]) })).toThrow(
    '5 codes in blocks of 2 need 3 scales, got 1.\nPass scales as (runs), or as (rows, runs of a row).',
  )
})

it.each([1, 2, 3, 4, 5, 6, 7, 8])('affine stores every code of %i bits', async bits => {
  const codes = Array.from({ length: 2 ** bits }, (_, code) => code)
  const tree = affineOf({ shape: [1, codes.length], bits, group: codes.length, codes, scales: [1], zeros: [1] })
  expect(await valuesOf(tree)).toEqual(codes.map(code => code - 1))
  expect(byteLength(tree.parts.data)).toBe(Math.ceil((codes.length * bits) / 8))
})

it('affine refuses bits it has no room for', () => {
  expect(() => affineOf({ shape: [1, 1], bits: 9, group: 1, codes: [0], scales: [1] })).toThrow(
    'affine stores 1 to 8 bits, got 9.\nChoose bits between 1 and 8.',
  )
})

it('keeps scales in f32 where a half would lose bits', () => {
  expect([scaleDTypeOf([1, 0.001]), scaleDTypeOf([1e-6]), scaleDTypeOf([1e6]), scaleDTypeOf([0])]).toEqual(['f16', 'f32', 'f32', 'f16'])
})

it('permuted refuses an order that is none', () => {
  const values = f32([1, 2, 3, 4], [2, 2])
  for (const order of [[0], [0, 0], [0, 2], [0, 0.5]])
    expect(() => permutedOf(order, values)).toThrow(`The order of ${order.length} columns is no permutation of 2.\nName each column once.`)
})

it('sees a transposed or four-dimensional weight as its matrix', () => {
  const weight = dense('f32', [2, 3], f32([1, 2, 3, 4, 5, 6], [2, 3]).bytes)
  expect(Array.from(toFloat32(asMatrix(weight, 1) as typeof weight))).toEqual([1, 4, 2, 5, 3, 6])
  expect(asMatrix(f32([1, 2, 3, 4], [1, 2, 1, 2]), 0).shape).toEqual([1, 4])
})

it('decodes nested trees without leaving parts behind', async () => {
  const before = tf.memory().numTensors
  const inner = encoded({ name: 'twice', decode: ({ a }) => tf.mul(a, 2) }, [2], { a: f32([1, 2], [2]) })
  expect(await valuesOf(sumOf(inner, f32([1, 1], [2])))).toEqual([3, 5])
  expect(tf.memory().numTensors).toBe(before)
})

it('codebook refuses a table that it does not know', () => {
  const tree = codebookOf({ shape: [1], table: 'nf4', block: 1, codes: [0], scale: f32([1], [1]) })
  for (const table of ['toString', 3]) {
    const unknown = encoded(tree.codec, tree.shape, tree.parts, { ...tree.attrs, table })
    expect(() => decode(unknown)).toThrow(`There is no codebook ${JSON.stringify(table)}.\nKnown are nf4, fp4, e2m1, dynamic8, iq4nl.`)
  }
})
