import * as tf from '@tensorflow/tfjs-core'
import { hadamard } from '@tersor/kernels/hadamard'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/** The largest power of two that divides a number. */
const blockOf = (columns: number): number => columns & -columns

/** Runs of columns, as long as a power of two divides them into, times the orthonormal Walsh-Hadamard matrix, which is its own inverse; x: (…, columns). */
export const hadamardColumns = <T extends tf.Tensor>(x: T): T => {
  const columns = x.shape[x.shape.length - 1]
  const block = blockOf(columns)
  const identity = Float32Array.from({ length: block * block }, (_, at) => Number(at % (block + 1) === 0))
  return tf.tidy(() => {
    const flat = tf.reshape(x, [-1, block]) as tf.Tensor2D
    return tf.reshape(tf.matMul(flat, tf.tensor2d(hadamard(identity, block), [block, block])), x.shape) as T
  })
}

/** Values turned by a Walsh-Hadamard matrix: value = values · H. Part: values (…, columns). */
export const turned: Codec = Object.freeze<Codec>({
  name: 'turned',
  payload: ['values'],
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['values']),
      () => floatsAre('values', parts.values) ?? shapeIs('values', parts.values, shape),
    ),
  decode: ({ values }: Readonly<Record<string, tf.Tensor>>) => hadamardColumns(values),
})

/** Builds the tree of values that were turned by `hadamardColumns`. */
export const turnedOf = (values: Parameter): Encoded => encoded(turned, values.shape, { values })
