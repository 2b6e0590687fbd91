import * as tf from '@tensorflow/tfjs-core'
import type { Codec } from '@tersor/tensor'
import { codesAre, firstOf, floatsAre, partsAre, runsAre, sizeIs, wholeIs } from './checks.js'
import { forGroups, inGroups } from './groups.js'

/**
 * Codes that count from a minimum: value = scale · code + minimum, one of each for a run of columns.
 * Parts: data u1-u8 (rows, columns), scale (rows, groups), minimum (rows, groups), 0 where absent; both may be trees, which makes
 * super-blocks: scales that are codes under a scale of their own.
 * Attrs: group, columns that share them (the last run of a row may be shorter). Made by `blocksToTree`.
 */
export const ranged: Codec = Object.freeze<Codec>({
  name: 'ranged',
  check: (parts, { group }, shape) =>
    firstOf(
      () => partsAre(parts, ['data', 'scale'], ['minimum']),
      () => wholeIs('group', group, 1, Infinity),
      () => codesAre('data', parts.data, [1, 2, 3, 4, 5, 6, 7, 8]) ?? sizeIs('data', parts.data, shape),
      () => floatsAre('scale', parts.scale) ?? runsAre('scale', parts.scale, shape, group as number),
      () => floatsAre('minimum', parts.minimum) ?? runsAre('minimum', parts.minimum, shape, group as number),
    ),
  decode: ({ data, scale, minimum }: Readonly<Record<string, tf.Tensor>>, attrs, shape) =>
    tf.tidy(() =>
      inGroups(data, shape, attrs.group as number, codes => {
        const values = tf.mul(codes, forGroups(scale))
        return minimum ? tf.add(values, forGroups(minimum)) : values
      }),
    ),
})
