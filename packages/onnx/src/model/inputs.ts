import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { GraphTensors, GraphValue } from '@tersor/models/graph-model'

type Fill = (value: GraphValue, first: tf.Tensor) => tf.Tensor

/** Past keys and values of no positions: extents that are named are those of the batch, or nothing. */
const emptyPast: Fill = ({ shape = [] }, first) => {
  const extents = shape.map((extent, axis) => (typeof extent === 'number' ? extent : axis === 0 ? first.shape[0] : 0))
  return tf.tensor(new Float32Array(0), extents.includes(0) ? extents : [...extents.slice(0, 2), 0, ...extents.slice(3)], 'float32')
}

/** Inputs of networks of text that follow from the token ids, by how their names begin. */
const USUAL: readonly (readonly [start: string, fill: Fill])[] = [
  ['attention_mask', (_value, ids) => tf.onesLike(ids)],
  ['token_type_ids', (_value, ids) => tf.zerosLike(ids)],
  ['position_ids', (_value, ids) => tf.tile(tf.expandDims(tf.range(0, ids.shape[1]!, 1, 'int32'), 0), [ids.shape[0], 1])],
  ['past_key_values.', emptyPast],
]

/** All inputs of a graph, those that were left out among them where their names say what they are; throws BAD_OPTION. */
export const withUsualInputs = (values: readonly GraphValue[], given: GraphTensors): GraphTensors => {
  const first = given[values[0]?.name]
  return Object.fromEntries(
    values.map(value => {
      if (Object.hasOwn(given, value.name)) return [value.name, given[value.name]]
      const usual = first && USUAL.find(([start]) => value.name.startsWith(start))
      if (usual) return [value.name, usual[1](value, first)]
      const names = values.map(({ name }) => name)
      throw new CompressionError(
        'BAD_OPTION',
        `The graph wants an input "${value.name}".`,
        `Its inputs are ${names.join(', ')}: pass them to run.`,
        {
          input: value.name,
        },
      )
    }),
  )
}
