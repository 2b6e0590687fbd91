import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { createRng } from '@tersor/core'
import { headBasis } from './head-basis.js'

beforeAll(() => tf.setBackend('ort'))

const SIZE = 4
const rng = createRng(3)
const random = (rows: number): Float64Array => Float64Array.from({ length: rows * SIZE }, () => rng.normal())
/** a · bᵀ of rows, by plain loops. */
const times = (a: Float64Array, b: Float64Array, columns: number): Float64Array => {
  const [rows, others] = [a.length / columns, b.length / columns]
  return Float64Array.from({ length: rows * others }, (_, at) => {
    let sum = 0
    for (let k = 0; k < columns; k++) sum += a[Math.floor(at / others) * columns + k] * b[(at % others) * columns + k]
    return sum
  })
}
const transposed = (a: Float64Array, columns: number): Float64Array =>
  Float64Array.from(a, (_, at) => a[(at % (a.length / columns)) * columns + Math.floor(at / (a.length / columns))])

it('puts singular values into values, and orthonormal rows into what reads them', async () => {
  const [values, output] = [random(9), random(6)] // (tokens, size), (out, size)
  const gram = (rows: Float64Array): Float64Array => times(transposed(rows, SIZE), transposed(rows, SIZE), rows.length / SIZE)
  const basis = await headBasis(gram(values), gram(output), SIZE)
  const [turned, read] = [times(values, basis.values, SIZE), times(output, basis.readers, SIZE)]
  const given = times(values, output, SIZE)
  times(turned, read, SIZE).forEach((value, at) => expect(value).toBeCloseTo(given[at], 4))
  const [energies, orthonormal] = [gram(turned), gram(read)]
  for (let i = 0; i < SIZE; i++)
    for (let j = 0; j < SIZE; j++) {
      expect(orthonormal[i * SIZE + j]).toBeCloseTo(i === j ? 1 : 0, 4)
      if (i !== j) expect(Math.abs(energies[i * SIZE + j])).toBeLessThan(1e-3)
    }
  for (let i = 1; i < SIZE; i++) expect(energies[i * SIZE + i]).toBeLessThanOrEqual(energies[(i - 1) * SIZE + i - 1])
})

it('keeps the function of a head whose values do not fill their space, or are nothing', async () => {
  for (const seen of [Float64Array.from([4, 0, 0, 0]), new Float64Array(4)]) {
    const { values, readers } = await headBasis(seen, Float64Array.from([1, 0, 0, 9]), 2)
    const identity = times(transposed(readers, 2), transposed(values, 2), 2) // readersᵀ · values
    identity.forEach((value, at) => expect(value).toBeCloseTo(at % 3 === 0 ? 1 : 0, 4))
  }
})
