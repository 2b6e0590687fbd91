import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Dense, type Encoded, type Parameter, type Shape } from '@tersor/tensor'
import { codesAre, codesBelow, firstOf, floatsAre, partsAre, runsAre, sizeIs, wholeIs, type Finding } from './checks.js'
import { forGroups, inGroups } from './groups.js'

/** A list of floats, one for each level. */
const listIs = (levels: Parameter): Finding =>
  levels.shape.length === 1 && levels.shape[0] > 0 ? undefined : `the levels are [${levels.shape.join(', ')}], expected a list`

/**
 * Codes that name levels which the tree brings along, such as learned ones: value = scale · level[code] + minimum, one scale and minimum for
 * each run of columns. Parts: data u1-u8 (rows, columns); levels (count), floats or a tree; scale and minimum (rows or 1, groups), 1 and 0
 * where absent. Attrs: group, columns that share them (the last run of a row may be shorter). Tables that have a name are `codebook`.
 */
export const levels: Codec = Object.freeze<Codec>({
  name: 'levels',
  check: (parts, { group }, shape) =>
    firstOf(
      () => partsAre(parts, ['data', 'levels'], ['scale', 'minimum']),
      () => wholeIs('group', group, 1, Infinity),
      () => codesAre('data', parts.data, [1, 2, 3, 4, 5, 6, 7, 8]) ?? sizeIs('data', parts.data, shape),
      () => floatsAre('levels', parts.levels) ?? listIs(parts.levels),
      () => codesBelow('data', parts.data as Dense, parts.levels.shape[0]),
      () => floatsAre('scale', parts.scale) ?? runsAre('scale', parts.scale, shape, group as number),
      () => floatsAre('minimum', parts.minimum) ?? runsAre('minimum', parts.minimum, shape, group as number),
    ),
  decode: ({ data, levels, scale, minimum }: Readonly<Record<string, tf.Tensor>>, attrs, shape) =>
    tf.tidy(() => {
      const named = tf.gather(levels, tf.reshape(tf.cast(data, 'int32'), [-1]) as tf.Tensor1D)
      return inGroups(named, shape, attrs.group as number, values => {
        const scaled = scale ? tf.mul(values, forGroups(scale)) : values
        return minimum ? tf.add(scaled, forGroups(minimum)) : scaled
      })
    }),
})

export interface LevelsParts {
  readonly shape: Shape
  /** Columns that share a scale and a minimum. */
  readonly group: number
  /** Unsigned, (rows, columns). */
  readonly data: Dense
  /** (count), one for each code. */
  readonly levels: Parameter
  /** (rows or 1, groups). */
  readonly scale?: Parameter
  readonly minimum?: Parameter
}

/** Builds the tree. */
export const levelsTree = ({ shape, group, ...parts }: LevelsParts): Encoded => encoded(levels, shape, parts, { group })
