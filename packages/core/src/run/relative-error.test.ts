import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32, fromIntegers, type Parameter } from '@tersor/tensor'
import { useEngine } from '@tersor/testing'
import { affineOf } from '../codecs/affine.js'
import { codebookOf } from '../codecs/codebook.js'
import { maskedOf } from '../codecs/masked.js'
import { matrixOf } from '../codecs/matrix.js'
import { powersOf } from '../codecs/powers.js'
import { blockScaledOf, scaledOf } from '../codecs/scaled.js'
import { decode } from '../model/decode.js'
import { relativeError } from './relative-error.js'

useEngine()

const [ROWS, COLUMNS] = [6, 20]
const SIZE = ROWS * COLUMNS
const wave = (length: number, scale = 1): Float32Array => Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(3 * i + 1) * scale))
const codes = (bits: number): Uint8Array => Uint8Array.from({ length: SIZE }, (_, i) => (i * 37 + 11) % 2 ** bits)
const halves = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (i + 1) / 8)
const shape = [ROWS, COLUMNS]
const flags = Uint8Array.from({ length: SIZE }, (_, i) => (i % 3 === 0 ? 0 : 1))

const affineWith = (bits: number, group: number, joint = false, zeros?: 'whole' | 'half'): Parameter => {
  const count = (joint ? 1 : ROWS) * Math.ceil(COLUMNS / group)
  const whole = Uint8Array.from({ length: count }, (_, i) => i % 2 ** bits)
  const given = zeros && { zeros: zeros === 'half' ? halves(count) : whole }
  return affineOf({ shape, bits, group, codes: codes(bits), scales: halves(count), ...given })
}

const runs = (block: number): number => Math.ceil(COLUMNS / block)
const f32 = (values: Float32Array, as: readonly number[]): Parameter => fromFloat32(values, 'f32', as)
const CODES8 = fromIntegers(codes(6), 'u8', shape) // below those that are no numbers

const CASES: Readonly<Record<string, () => Parameter>> = {
  'plain float32': () => f32(wave(SIZE, 1.1), shape),
  'plain bf16': () => fromFloat32(wave(SIZE, 1.1), 'bf16', shape),
  'plain f16': () => fromFloat32(wave(SIZE, 1.1), 'f16', shape),
  'integers': () => fromIntegers(codes(7), 'i8', shape), // prettier-ignore
  'affine of 4 bits': () => affineWith(4, 8),
  'affine of 3 bits, whose rows end within a byte': () => affineWith(3, 7),
  'affine of 8 bits with zeros': () => affineWith(8, 20, false, 'whole'),
  'affine of 2 bits with halves for zeros': () => affineWith(2, 5, false, 'half'),
  'affine of 1 bit on one line': () => affineWith(1, 20, true),
  'a codebook with runs of a row': () => codebookOf({ shape, table: 'e2m1', block: 8, codes: codes(4), scale: powersOf(codes(4).slice(0, ROWS * runs(8)), [ROWS, runs(8)]) }), // prettier-ignore
  'a codebook with runs that fill rows': () => codebookOf({ shape, table: 'nf4', block: 5, codes: codes(4), scale: f32(halves(SIZE / 5), [SIZE / 5]) }), // prettier-ignore
  'a codebook with runs across rows': () => codebookOf({ shape, table: 'nf4', block: 8, codes: codes(4), scale: f32(halves(SIZE / 8), [SIZE / 8]) }), // prettier-ignore
  'a codebook of 256 levels with an offset': () => codebookOf({ shape, table: 'dynamic8', block: 20, codes: codes(8), scale: f32(halves(ROWS), [ROWS]), offset: f32(Float32Array.of(0.25), [1]) }), // prettier-ignore
  '8-bit floats, a scale for each row': () => scaledOf({ ...CODES8, dtype: 'f8e4m3' }, halves(ROWS)),
  '8-bit floats, one scale': () => scaledOf({ ...CODES8, dtype: 'f8e5m2' }, [0.5]),
  '8-bit floats, a scale for each block': () => blockScaledOf({ ...CODES8, dtype: 'f8e4m3' }, halves(6), [3, 8]),
  'a mask over plain values': () => maskedOf(flags, fromFloat32(wave(SIZE), 'bf16', shape)),
  'a mask over codes': () => maskedOf(flags, affineWith(4, 8)),
  'a mask over what no kernel decodes': () => maskedOf(flags, blockScaledOf({ ...CODES8, dtype: 'f8e4m3' }, halves(6), [3, 8])),
  'a matrix of turned channels': () => matrixOf(f32(wave(SIZE), [COLUMNS, ROWS]), 1, shape),
}

it.each(Object.entries(CASES))('measures the error of %s as that of its decoded values', async (_, make) => {
  const parameter = make()
  const weights = wave(SIZE)
  const after = await decode(parameter).data()
  const difference = weights.reduce((sum, weight, i) => sum + (weight - after[i]) ** 2, 0)
  const norm = weights.reduce((sum, weight) => sum + weight ** 2, 0)
  const error = await relativeError(fromFloat32(weights, 'f32', shape), parameter)
  expect(error / (difference / norm)).toBeCloseTo(1, 13) // sums of doubles in another order
})

it('finds none where nothing was changed, and none in zeros', async () => {
  const weights = fromFloat32(wave(SIZE), 'bf16', shape)
  expect(await relativeError(weights, weights)).toBe(0)
  const zeros = fromFloat32(new Float32Array(SIZE), 'bf16', shape)
  expect(await relativeError(zeros, zeros)).toBe(0)
})
