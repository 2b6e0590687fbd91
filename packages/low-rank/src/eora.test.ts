import '@tensorflow/tfjs-backend-cpu'
import { maskedOf, type Method } from '@tersor/core'
import { describeMethod, randomRows, applyMethod, valuesOf, type Rows, useEngine } from '@tersor/testing'
import { fromFloat32, type Encoded, type Parameter } from '@tersor/tensor'
import { dampedMoment } from '../../kernels/src/column-sweep.reference.js'
import { eora } from './eora.js'

/** A step that loses something: it removes every second column. */
const halved: Method = {
  kind: 'method',
  name: 'halved',
  apply: (weight, { current }) => maskedOf(Uint8Array.from({ length: weight.size }, (_, i) => i % 2), current), // prettier-ignore
}

describeMethod(() => eora({ rank: 2 }), { after: () => halved, smaller: false })

useEngine()

/** A tree that decodes to a matrix. */
const standing = (rows: Rows): Parameter =>
  maskedOf(new Uint8Array(rows.flat().length).fill(1), fromFloat32(rows.flat(), 'f32', [rows.length, rows[0].length]))

it('repairs what the inputs see, by hand', async () => {
  // W − Ŵ = diag(3, 2), C = diag(1, 9): rank 1 repairs the 2, since 2²·9 > 3²·1; plain SVD repairs the 3
  const given = { weight: [[3, 0], [0, 2]], current: standing([[0, 0], [0, 0]]), inputs: [[1, 0], [0, 3]] } // prettier-ignore
  const close = (actual: number[][], expected: number[][]) =>
    actual.forEach((row, r) => row.forEach((value, c) => expect(value).toBeCloseTo(expected[r][c], 5)))
  close(await valuesOf(await applyMethod(eora({ rank: 1 }), given)), [[0, 0], [0, 2]]) // prettier-ignore
  close(await valuesOf(await applyMethod(eora({ rank: 1, space: 'plain' }), given)), [[3, 0], [0, 0]]) // prettier-ignore
})

it('restores the weight at full rank', async () => {
  const weight = randomRows(5, 7, 1)
  const result = await valuesOf(
    await applyMethod(eora({ rank: 7 }), { weight, current: standing(randomRows(5, 7, 2)), inputs: randomRows(50, 7, 3, 1) }),
  )
  result.forEach((row, r) => row.forEach((value, c) => expect(value).toBeCloseTo(weight[r][c], 4)))
})

/** tr(E C Eᵀ) in plain loops. */
const weightedError = (weight: Rows, other: Rows, moment: Rows): number =>
  weight.reduce(
    (sum, row, r) =>
      sum +
      row.reduce((rowSum, w, i) => rowSum + row.reduce((dot, v, j) => dot + (w - other[r][i]) * moment[i][j] * (v - other[r][j]), 0), 0),
    0,
  )

/** The best a rank can do: Σ of the eigenvalues of S ᵀΔᵀΔS behind the first r, by power iteration with deflation in plain loops. */
const bestError = (weight: Rows, other: Rows, moment: Rows, rank: number): number => {
  const n = moment.length
  const root = choleskyReference(moment)
  const turned = weight.map((row, r) =>
    Array.from({ length: n }, (_, j) => row.reduce((dot, w, i) => dot + (w - other[r][i]) * root[i][j], 0)),
  )
  const square = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => turned.reduce((sum, row) => sum + row[i] * row[j], 0)),
  )
  let rest = square.reduce((sum, row, i) => sum + row[i], 0)
  for (let k = 0; k < rank; k++) {
    let v = Array.from({ length: n }, (_, i) => Math.sin(i + k + 1))
    let value = 0
    for (let iteration = 0; iteration < 300; iteration++) {
      const next = square.map(row => row.reduce((dot, a, j) => dot + a * v[j], 0))
      value = Math.hypot(...next)
      v = next.map(x => x / value)
    }
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) square[i][j] -= value * v[i] * v[j]
    rest -= value
  }
  return rest
}

const choleskyReference = (a: Rows): number[][] => {
  const l = a.map(row => row.map(() => 0))
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j]
      for (let k = 0; k < j; k++) sum -= l[i][k] * l[j][k]
      l[i][j] = i === j ? Math.sqrt(sum) : sum / l[j][j]
    }
  }
  return l
}

it('reaches the least weighted error that a rank can, found another way in plain loops', async () => {
  const [weight, other, inputs] = [randomRows(8, 6, 1), randomRows(8, 6, 2), randomRows(60, 6, 3, 1.5)]
  const moment = dampedMoment(inputs, 0)
  for (const rank of [1, 2, 3]) {
    const given = { weight, current: standing(other), inputs }
    const found = weightedError(weight, await valuesOf(await applyMethod(eora({ rank }), given)), moment)
    const best = bestError(weight, other, moment, rank)
    expect(Math.abs(found / best - 1)).toBeLessThan(1e-3)
    expect(found).toBeLessThan(weightedError(weight, await valuesOf(await applyMethod(eora({ rank, space: 'plain' }), given)), moment))
  }
})

it('survives inputs that leave a direction out', async () => {
  const inputs = randomRows(40, 4, 3).map(([a, b]) => [a, b, a + b, 0])
  const result = await valuesOf(
    await applyMethod(eora({ rank: 2 }), { weight: randomRows(3, 4, 1), current: standing(randomRows(3, 4, 2)), inputs }),
  )
  expect(result.flat().every(Number.isFinite)).toBe(true)
})

it('keeps what stood there as it was stored', async () => {
  const current = standing([[1, 0], [0, 1]]) // prettier-ignore
  const tree = (await applyMethod(eora({ rank: 1 }), { weight: [[2, 0], [0, 1]], current, inputs: [[1, 0], [0, 1]] })) as Encoded // prettier-ignore
  expect(tree.codec.name).toBe('sum')
  expect(tree.parts.base).toBe(current)
})

it('refuses a weight that nothing was done to', async () => {
  await expect(applyMethod(eora(), { weight: [[1]], inputs: [[1]] })).rejects.toThrow(
    'eora at site: nothing was compressed there yet.\nPut it after the step whose error it should repair.',
  )
})
