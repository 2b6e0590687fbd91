import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { encodeF16, packBits, toFloat32, dense } from '@tersor/tensor'
import { multipliesTiles, queriesTimesCodes, sharesTimesCodes, type TiledMatrices } from './tile-products.js'

beforeAll(() => tf.setBackend('cpu'))

const wave = (length: number, seed: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i))

/** Matrices of some codes and tiles, and their values in plain loops. */
const made = (bits: number, [lines, columns]: [number, number], [height, width]: [number, number], isHalf: boolean, middle: boolean) => {
  const matrices = 2
  const codes = Uint8Array.from({ length: matrices * lines * columns }, (_, i) => (i * i + 3 * i) % 2 ** bits)
  const [down, across] = [Math.ceil(lines / height), Math.ceil(columns / width)]
  const stored = (seed: number): Uint8Array => {
    const numbers = wave(matrices * down * across, seed)
    return isHalf ? new Uint8Array(Uint16Array.from(numbers, encodeF16).buffer) : new Uint8Array(numbers.buffer)
  }
  const [scales, minimums] = [stored(1), stored(2)]
  const read = (bytes: Uint8Array): Float32Array => toFloat32(dense(isHalf ? 'f16' : 'f32', [matrices * down * across], bytes))
  const [scale, minimum] = [read(scales), read(minimums)]
  const values = Float64Array.from(codes, (code, at) => {
    const [matrix, line, column] = [Math.floor(at / (lines * columns)), Math.floor(at / columns) % lines, at % columns]
    const tile = (matrix * down + Math.floor(line / height)) * across + Math.floor(column / width)
    return middle ? scale[tile] * (code - 2 ** (bits - 1)) : scale[tile] * code + minimum[tile]
  })
  const of: TiledMatrices = { matrices, lines, columns, bits, height, width, codes: packBits(codes, bits), scales, ...(middle ? {} : { minimums }), isHalf } // prettier-ignore
  return { of, values }
}

it.each([
  ['one scale a line', 8, [5, 32], [1, 32], true, true],
  ['two scales a line', 4, [7, 32], [1, 16], true, false],
  ['one scale a column of four lines', 2, [10, 48], [4, 1], true, false],
  ['one scale a column, in float32', 4, [6, 16], [8, 1], false, true],
  ['one scale for all', 2, [3, 64], [16, 64], false, false],
] as const)('multiplies packed codes as plain loops do: %s', (_what, bits, shape, tile, isHalf, middle) => {
  const { of, values } = made(bits, [...shape], [...tile], isHalf, middle)
  const { matrices, lines, columns } = of
  const count = 3
  expect(multipliesTiles(of, count)).toBe(true)
  const [q, p] = [wave(matrices * count * columns, 5), wave(matrices * count * lines, 6)]
  const before = tf.memory().numTensors
  const [queries, shares] = [tf.tensor3d(q, [matrices, count, columns]), tf.tensor3d(p, [matrices, count, lines])]
  const [scores, mixed] = [queriesTimesCodes(queries, of), sharesTimesCodes(shares, of)]
  const [gotScores, gotMixed] = [scores.dataSync(), mixed.dataSync()]
  const errors: number[] = []
  for (let matrix = 0; matrix < matrices; matrix++)
    for (let m = 0; m < count; m++) {
      const [row, value] = [matrix * count + m, (line: number, column: number) => values[(matrix * lines + line) * columns + column]]
      for (let line = 0; line < lines; line++) {
        let sum = 0
        for (let column = 0; column < columns; column++) sum += q[row * columns + column] * value(line, column)
        errors.push(Math.abs(sum - gotScores[row * lines + line]))
      }
      for (let column = 0; column < columns; column++) {
        let sum = 0
        for (let line = 0; line < lines; line++) sum += p[row * lines + line] * value(line, column)
        errors.push(Math.abs(sum - gotMixed[row * columns + column]))
      }
    }
  expect(Math.max(...errors)).toBeLessThan(2 ** bits * 1e-4)
  tf.dispose([queries, shares, scores, mixed])
  expect(tf.memory().numTensors).toBe(before)
})

it('leaves to the engine what it cannot take', () => {
  const { of } = made(4, [4, 32], [1, 16], true, true)
  expect(multipliesTiles({ ...of, bits: 3 }, 1)).toBe(false)
  expect(multipliesTiles({ ...of, columns: 24 }, 1)).toBe(false)
  expect(multipliesTiles({ ...of, width: 8 }, 1)).toBe(false)
  expect(multipliesTiles(of, 33)).toBe(false)
})
