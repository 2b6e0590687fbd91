import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { asTensor, valuesOf, type PlainKernel, type Values } from './plain-kernel.js'
import { readStrided } from './strided-copy.js'

/** tfjs sums so many products in 64 bits before it rounds to 32. */
const BLOCK = 48
/** Fewer rows are done before the second factor is turned for them. */
const WORTH_TURNING = 6

/** (batches, rows, columns) → (batches, columns, rows). */
const turned = (values: Values, batches: number, rows: number, columns: number): Values =>
  rows === 1 || columns === 1 ? values : readStrided(values, 'float32', [batches, columns, rows], [rows * columns, 1, columns])

/** One row of a product, which is added to target[to … to + columns). */
type RowProduct = (
  ...[a, from, b, start, inner, target, to, columns]: [Values, number, Values, number, number, Float32Array, number, number]
) => void

/** target[to + j] = Σₖ a[from + k] · b[start + j · inner + k], four columns at a time. */
const timesTurned: RowProduct = (a, from, b, start, inner, target, to, columns) => {
  let j = 0
  for (; j + 4 <= columns; j += 4) {
    const [b0, b1, b2, b3] = [start + j * inner, start + (j + 1) * inner, start + (j + 2) * inner, start + (j + 3) * inner]
    for (let k0 = 0; k0 < inner; k0 += BLOCK) {
      const end = Math.min(k0 + BLOCK, inner)
      let [s0, s1, s2, s3] = [0, 0, 0, 0]
      for (let k = k0; k < end; k++) {
        const left = a[from + k]
        s0 += left * b[b0 + k]
        s1 += left * b[b1 + k]
        s2 += left * b[b2 + k]
        s3 += left * b[b3 + k]
      }
      target[to + j] += s0
      target[to + j + 1] += s1
      target[to + j + 2] += s2
      target[to + j + 3] += s3
    }
  }
  for (; j < columns; j++)
    for (let k0 = 0, right = start + j * inner; k0 < inner; k0 += BLOCK) {
      const end = Math.min(k0 + BLOCK, inner)
      let sum = 0
      for (let k = k0; k < end; k++) sum += a[from + k] * b[right + k]
      target[to + j] += sum
    }
}

/** target[to + j] = Σₖ a[from + k] · b[start + k · columns + j]. */
const timesStanding: RowProduct = (a, from, b, start, inner, target, to, columns) => {
  const sums = new Float64Array(columns)
  for (let k0 = 0; k0 < inner; k0 += BLOCK) {
    const end = Math.min(k0 + BLOCK, inner)
    for (let k = k0, right = start + k0 * columns; k < end; k++, right += columns) {
      const left = a[from + k]
      for (let j = 0; j < columns; j++) sums[j] += left * b[right + j]
    }
    for (let j = 0; j < columns; j++) target[to + j] += sums[j]
    sums.fill(0)
  }
}

/** a: (batches, rows, inner), b: (batches, inner, columns), either turned and either of one batch → (…, rows, columns). */
const matMul: PlainKernel = (call, own) => {
  const { a, b } = call.inputs as { readonly a: TensorInfo; readonly b: TensorInfo }
  const { transposeA, transposeB } = call.attrs as unknown as { readonly transposeA: boolean; readonly transposeB: boolean }
  const [outerA, outerB] = [a, b].map(({ shape }) => shape.slice(0, -2))
  const [batchesA, batchesB] = [sizeOf(outerA), sizeOf(outerB)]
  const [[rowsA, columnsA], [rowsB, columnsB]] = [a, b].map(({ shape }) => shape.slice(-2))
  const [rows, inner, columns] = [transposeA ? columnsA : rowsA, transposeA ? rowsA : columnsA, transposeB ? rowsB : columnsB]
  const outer = backend_util.assertAndGetBroadcastShape(outerA, outerB)
  const isPlain = a.dtype === 'float32' && b.dtype === 'float32' && inner === (transposeB ? columnsB : rowsB)
  if (!isPlain || ![batchesA, batchesB].every(batches => batches === 1 || batches === sizeOf(outer))) return own(call)
  const left = transposeA ? turned(valuesOf(call, a), batchesA, rowsA, columnsA) : valuesOf(call, a) // (batches, rows, inner)
  const standing = !transposeB && rows < WORTH_TURNING
  const right = transposeB || standing ? valuesOf(call, b) : turned(valuesOf(call, b), batchesB, rowsB, columnsB) // (batches, columns, inner)
  const product = standing ? timesStanding : timesTurned
  const target = new Float32Array(sizeOf(outer) * rows * columns)
  for (let batch = 0; batch < sizeOf(outer); batch++) {
    const [atA, atB] = [batchesA === 1 ? 0 : batch * rows * inner, batchesB === 1 ? 0 : batch * columns * inner]
    for (let row = 0; row < rows; row++)
      product(left, atA + row * inner, right, atB, inner, target, (batch * rows + row) * columns, columns)
  }
  return asTensor(call, [...outer, rows, columns], 'float32', target)
}

export const PRODUCTS: Readonly<Record<string, PlainKernel>> = { BatchMatMul: matMul }
