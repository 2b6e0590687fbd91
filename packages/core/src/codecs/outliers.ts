import * as tf from '@tensorflow/tfjs-core'
import { DTYPES, encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs, wholeIs, type Finding } from './checks.js'

const placesAre = (place: Parameter): Finding =>
  place.kind === 'dense' && DTYPES[place.dtype].kind === 'unsigned' ? undefined : 'the place is no tensor of unsigned numbers'

/**
 * Zeros but for some numbers of each line along an axis: 1 down the columns of each matrix, 2 along its lines.
 * Parts: values f16 or f32 (matrices, columns or lines, count), place u8-u32 of the same shape. Attr: axis.
 */
export const outliers: Codec = Object.freeze<Codec>({
  name: 'outliers',
  check: (parts, { axis }, shape) =>
    firstOf(
      () => partsAre(parts, ['values', 'place']),
      () => (shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 3`),
      () => wholeIs('axis', axis, 1, 2) ?? floatsAre('values', parts.values) ?? placesAre(parts.place),
      () => shapeIs('values', parts.values, [shape[0], shape[3 - (axis as number)], parts.values.shape[2] ?? 0]),
      () => shapeIs('place', parts.place, parts.values.shape),
    ),
  decode: ({ values, place }: Readonly<Record<string, tf.Tensor>>, { axis }, [matrices, lines, columns]) =>
    tf.tidy(() => {
      const [, each, count] = values.shape as [number, number, number]
      const length = axis === 1 ? lines : columns
      const begins = tf.mul(tf.range(0, matrices * each, 1, 'int32'), tf.scalar(length, 'int32'))
      const at = tf.add(tf.reshape(begins, [matrices, each, 1]), tf.cast(place, 'int32')) // in (matrices, each, length)
      const flat = tf.scatterND(tf.reshape(at, [-1, 1]), tf.reshape(values, [-1]), [matrices * each * length])
      const whole = tf.reshape(flat, [matrices, each, length])
      return count === 0 || axis === 2 ? whole : tf.transpose(whole, [0, 2, 1])
    }),
})

/** Builds the tree of (matrices, lines, columns); values and places (matrices, columns, count) along axis 1, (matrices, lines, count) along axis 2. */
export const outliersOf = (values: Parameter, place: Parameter, axis: 1 | 2, length: number): Encoded => {
  const [matrices, each] = values.shape
  return encoded(outliers, axis === 1 ? [matrices, length, each] : [matrices, each, length], { values, place }, { axis })
}
