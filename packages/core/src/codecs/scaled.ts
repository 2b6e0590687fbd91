import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, encoded, fromFloat32, type Codec, type Dense, type Encoded, type Parameter, type Shape } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs, type Finding } from './checks.js'

/** The line of a table that each of `count` places takes, where runs of `block` share one. */
const runsOf = (count: number, block: number): tf.Tensor1D =>
  tf.tensor1d(
    Int32Array.from({ length: count }, (_, at) => Math.floor(at / block)),
    'int32',
  )

const isExtent = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1

const scalesAre = (scale: Parameter, block: unknown, shape: Shape): Finding => {
  if (block === undefined) return shapeIs('scale', scale, [1], [shape[0] ?? 1, ...shape.slice(1).map(() => 1)])
  if (!Array.isArray(block) || block.length !== 2 || !block.every(isExtent) || shape.length !== 2)
    return `the blocks of ${shape.length} axes are ${JSON.stringify(block)}, expected height and width`
  const [height, width] = block as readonly number[]
  return shapeIs('scale', scale, [Math.ceil(shape[0] / height), Math.ceil(shape[1] / width)])
}

/**
 * Small floats times a factor: value = scale · values, one scale for all, one a row, or one for each block of rows and columns.
 * Parts: values f8e4m3 or f8e5m2 (shape), scale f32 (1), (rows, 1) or (⌈rows / height⌉, ⌈columns / width⌉).
 * Attrs: block, [height, width], where blocks share a scale; those at the edges may be smaller.
 */
export const scaled: Codec = Object.freeze<Codec>({
  name: 'scaled',
  check: (parts, { block }, shape) =>
    firstOf(
      () => partsAre(parts, ['values', 'scale']),
      () => floatsAre('values', parts.values) ?? floatsAre('scale', parts.scale),
      () => shapeIs('values', parts.values, shape) ?? scalesAre(parts.scale, block, shape),
    ),
  decode: ({ values, scale }: Readonly<Record<string, tf.Tensor>>, { block }, shape) =>
    tf.tidy(() => {
      if (block === undefined) return tf.mul(values, scale)
      const [height, width] = block as readonly number[]
      const rows = tf.gather(scale, runsOf(shape[0], height), 0)
      return tf.mul(values, tf.gather(rows, runsOf(shape[1], width), 1)) // (rows, columns)
    }),
})

/** Builds the tree; scales: one, or as many as there are rows. */
export const scaledOf = (values: Dense, scales: ArrayLike<number>): Encoded =>
  encoded(scaled, values.shape, { values, scale: fromFloat32(scales, 'f32', scales.length === 1 ? [1] : [scales.length, 1]) })

/** Builds the tree of a matrix whose blocks of `height` rows and `width` columns share a scale; throws SHAPE where there are not as many scales as blocks. */
export const blockScaledOf = (values: Dense, scales: ArrayLike<number>, [height, width]: readonly [number, number]): Encoded => {
  const [rows, columns] = values.shape
  const blocks = [Math.ceil(rows / height), Math.ceil(columns / width)]
  if (scales.length !== blocks[0] * blocks[1])
    throw new CompressionError(
      'SHAPE',
      `${rows} × ${columns} values in blocks of ${height} × ${width} need ${blocks[0] * blocks[1]} scales, got ${scales.length}.`,
      'Pass one scale for each block, row of blocks by row of blocks.',
      { expected: blocks, got: scales.length },
    )
  return encoded(scaled, values.shape, { values, scale: fromFloat32(scales, 'f32', blocks) }, { block: [height, width] })
}
