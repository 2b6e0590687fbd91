import '@tensorflow/tfjs-backend-cpu'
import { toFloat32, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { useEngine } from '@tersor/testing'
import { decode } from '../model/decode.js'
import { packTree } from '../step/pack.js'
import { affineOf } from './affine.js'
import { affineFrom, codeOf, lineBetween, linesBetween, linesOf, type Grid } from './lines.js'
import { maskedOf } from './masked.js'

useEngine()

const valuesOf = async (tree: Encoded): Promise<Float32Array> => {
  const tensor = decode(tree)
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}
const grid = (rest: Partial<Grid> = {}): Grid => ({ bits: 2, symmetric: false, group: 2, joint: false, ...rest })

it('draws lines by hand', () => {
  // 2 bits: 3 steps. [−1, 2] → scale 1, zero 1; [1, 3] is widened to [0, 3]; symmetric takes 2 · max|w| / 3 and the middle code
  expect(linesBetween([-1, 1], [2, 3], { bits: 2, symmetric: false })).toEqual({
    scaleDType: 'f16',
    scales: Float32Array.of(1, 1),
    zeros: Float32Array.of(1, 0),
  })
  expect(lineBetween(-1.5, 0.5, { bits: 2, symmetric: true })).toEqual({ scale: 1, zero: 2 })
  expect(lineBetween(0, 0, { bits: 2, symmetric: false })).toEqual({ scale: 1, zero: 0 })
  expect([-9, -0.5, 0.5, 9].map(value => codeOf(value, { scale: 1, zero: 1 }, 2))).toEqual([0, 1, 1, 3])
})

it('has one line for each run, or one for all', async () => {
  const values = Float32Array.of(0, 3, -6, 0)
  expect((await linesOf(values, 4, grid())).scales).toEqual(Float32Array.of(1, 2))
  expect(await linesOf(values, 4, grid({ joint: true }))).toEqual({
    scaleDType: 'f16',
    scales: Float32Array.of(3),
    zeros: Float32Array.of(2),
  })
})

it('makes codes for the scales that are stored', async () => {
  const tree = await affineFrom(Float32Array.of(0, 0.1, 0.2, 0.3), [1, 4], grid({ bits: 8, group: 4 }))
  const [scale] = toFloat32(tree.parts.scale as Dense)
  expect((tree.parts.scale as Dense).dtype).toBe('f16')
  expect(scale).not.toBe(0.3 / 255)
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([0, 0.1, 0.2, 0.3].map(value => Math.round(value / scale)))
})

it('decides for the whole tensor whether scales are halves', async () => {
  // a scale of 1e-6 has no normal half, so 0.1 is not rounded to one either
  const tree = await affineFrom(Float32Array.of(0, 0.3, 0, 3e-6), [1, 4], grid())
  expect((tree.parts.scale as Dense).dtype).toBe('f32')
  expect([...toFloat32(tree.parts.scale as Dense)]).toEqual([Math.fround(Math.fround(0.3) / 3), Math.fround(Math.fround(3e-6) / 3)])
  expect([...(await valuesOf(tree))]).toEqual([0, expect.closeTo(0.3, 7), 0, expect.closeTo(3e-6, 12)])
})

it('keeps to a dtype that was decided before', () => {
  const { scales } = linesBetween([0, 0], [0.3, 3e-6], { bits: 2, symmetric: false }, 'f16')
  expect(scales[1]).toBe(2 ** -14)
  expect(linesBetween([0], [0.3], { bits: 2, symmetric: false }, 'f32').scales[0]).toBe(Math.fround(0.1))
})

it('stays as exact as it was when it is packed under a mask', async () => {
  const codes = [8, 9, 10, 11]
  const tree = affineOf({ shape: [2, 2], bits: 4, group: 2, codes, scales: [0.1, 0.3], scaleDType: 'f32' })
  const masked = maskedOf([1, 0, 0, 1], tree)
  expect(await valuesOf((await packTree(masked)) as Encoded)).toEqual(await valuesOf(masked))
  expect((((await packTree(masked)) as Encoded).parts.values as Encoded).codec.name).toBe('affine')
})
