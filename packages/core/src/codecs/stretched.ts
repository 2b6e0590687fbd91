import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/** Matrices whose columns have a factor of their own: value = values · factor. Parts: values (matrices, lines, columns), factor (matrices, 1, columns). */
export const stretched: Codec = Object.freeze<Codec>({
  name: 'stretched',
  payload: ['values'],
  aligned: true,
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['values', 'factor']),
      () => (shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 3`),
      () => floatsAre('values', parts.values) ?? floatsAre('factor', parts.factor),
      () => shapeIs('values', parts.values, shape) ?? shapeIs('factor', parts.factor, [shape[0], 1, shape[2]]),
    ),
  decode: ({ values, factor }: Readonly<Record<string, tf.Tensor>>) => tf.mul(values, factor),
})

/** Builds the tree from values (matrices, lines, columns) and factors (matrices, 1, columns). */
export const stretchedOf = (values: Parameter, factor: Parameter): Encoded => encoded(stretched, values.shape, { values, factor })
