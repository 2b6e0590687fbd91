import '@tensorflow/tfjs-backend-cpu'
import { describePass, picoModel, useEngine } from '@tersor/testing'
import { bitsPerWeight, byteLength, describe as describeTree, fromFloat32, sizeOf, type Encoded, type Parameter } from '@tersor/tensor'
import { affineOf } from '../codecs/affine.js'
import { maskedOf } from '../codecs/masked.js'
import { sumOf } from '../codecs/sum.js'
import { compress } from '../run/compress.js'
import { decode } from '../model/decode.js'
import type { Method } from './method.js'
import { pack, packTree } from './pack.js'

const f32 = (values: number[], shape: number[]) => fromFloat32(values, 'f32', shape)
const valuesOf = async (parameter: Parameter) => {
  const tensor = decode(parameter)
  const values = Array.from(await tensor.data())
  tensor.dispose()
  return values
}

useEngine()

const half: Method = {
  kind: 'method',
  name: 'half',
  apply: (_weight, { current }) =>
    maskedOf(
      Uint8Array.from({ length: sizeOf(current.shape) }, (_, i) => (i % 4 < 2 ? 1 : 0)),
      current,
    ),
}
describePass(() => pack(), { after: () => half })

const mask = [1, 0, 1, 0, 0, 1, 0, 1]
const codes = affineOf({ shape: [1, 8], bits: 4, group: 4, codes: [9, 3, 10, 3, 3, 11, 3, 12], scales: [1, 0.5] })

it('keeps codes and scales of an N:M mask over a quantized matrix', async () => {
  const tree = maskedOf(mask, codes)
  const packed = await packTree(tree)
  expect(describeTree(packed)).toBe('bitmask{mask: u1, values: affine{data: u4, scale: f16}}')
  expect(packed.kind === 'encoded' && (packed.parts.values as Encoded).attrs).toEqual({ bits: 4, group: 2 })
  expect(await valuesOf(packed)).toEqual(await valuesOf(tree))
  expect(byteLength(packed)).toBeLessThan(byteLength(tree))
})

it('keeps the values of a free mask, also where rows differ', async () => {
  const tree = maskedOf([1, 1, 0, 0, 0, 1], fromFloat32([1, 2, 3, 4, 5, 6], 'bf16', [2, 3]))
  const packed = await packTree(tree)
  expect(describeTree(packed)).toBe('bitmask{mask: u1, values: bf16}')
  expect(await valuesOf(packed)).toEqual([1, 2, 0, 0, 0, 6])
})

it('leaves alone what would not be the same', async () => {
  const uneven = maskedOf([1, 1, 1, 0, 0, 0, 0, 1], codes)
  expect(describeTree(await packTree(uneven))).toBe('masked{mask: u1, values: affine{data: u4, scale: f16}}')
  const nothing = maskedOf([0, 0], f32([1, 2], [1, 2]))
  expect(await valuesOf(await packTree(nothing))).toEqual([0, 0])
})

it('packs inside other trees', async () => {
  const packed = await packTree(sumOf(maskedOf(mask, codes), f32(new Array(8).fill(0), [1, 8])))
  expect(describeTree(packed)).toBe('sum{base: bitmask{mask: u1, values: affine{data: u4, scale: f16}}, update: f32}')
})

it('spends 3 bits and scales on 2:4 over 4 bits', async () => {
  const size = 1024
  const all = affineOf({ shape: [1, size], bits: 4, group: size, codes: new Uint8Array(size), scales: [1] })
  expect(
    bitsPerWeight(
      await packTree(
        maskedOf(
          Uint8Array.from({ length: size }, (_, i) => (i % 4 < 2 ? 1 : 0)),
          all,
        ),
      ),
    ),
  ).toBeCloseTo(3 + 16 / size, 6)
})

it('keeps every name and what is dense', async () => {
  const source = picoModel()
  const packed = await compress(source, pack())
  expect(packed.params.names()).toEqual(source.params.names())
  expect(packed.params.info('layers.0.weight')).toEqual(source.params.info('layers.0.weight'))
  expect(packed.provenance).toEqual([expect.objectContaining({ method: 'pack', options: {} })])
})
