import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { describeCodec, useEngine } from '@tersor/testing'
import { byteLength, dense, encoded, fromFloat32, toFloat32, type Encoded, type Parameter } from '@tersor/tensor'
import { affineOf, scaleDType } from './codecs/affine.js'
import { bitmaskOf } from './codecs/bitmask.js'
import { factoredOf } from './codecs/factored.js'
import { maskedOf } from './codecs/masked.js'
import { asMatrix, matrixOf } from './codecs/matrix.js'
import { permutedOf } from './codecs/permuted.js'
import { sumOf } from './codecs/sum.js'
import { decode } from './decode.js'

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
describeCodec('sum', () => ({ tree: sumOf(f32([1, 2], [1, 2]), f32([0.5, -2], [1, 2])), values: [1.5, 0] }))
describeCodec('matrix', () => ({ tree: matrixOf(f32([1, 2, 3, 4, 5, 6], [3, 2]), 1, [2, 3]) as Encoded, values: [1, 3, 5, 2, 4, 6] }))
describeCodec('bitmask', () => ({ tree: bitmaskOf([1, 0, 1, 0, 1, 1], [2, 3], f32([7, 8, 9, 10], [2, 2])), values: [7, 0, 8, 0, 9, 10] }))

useEngine()

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
  expect([scaleDType([1, 0.001]), scaleDType([1e-6]), scaleDType([1e6]), scaleDType([0])]).toEqual(['f16', 'f32', 'f32', 'f16'])
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
