import * as tf from '@tensorflow/tfjs-core'
import type { GraphTensors, GraphValue } from './graph-model.js'

/** Marks a tensor that holds several; what follows is nothing that a graph takes. */
const MARK = [0x54455253, 0x4f522d42] as const

const bitsOf = (values: Float32Array | Int32Array): Int32Array => new Int32Array(values.buffer, values.byteOffset, values.length)

/**
 * All inputs of one batch as one tensor, int32 (n), which passes through a pipeline like any batch: the mark, how many there are, and for each
 * the number of the graph's input, whether it is float32, its rank and shape; then the bits of all values. Reads the tensors on the host.
 */
export const packInputs = async (values: readonly GraphValue[], given: GraphTensors): Promise<tf.Tensor1D> => {
  const named = values.flatMap(({ name }, index) => (Object.hasOwn(given, name) ? [[index, given[name]] as const] : []))
  const head = named.flatMap(([index, { dtype, shape }]) => [index, dtype === 'float32' ? 1 : 0, shape.length, ...shape])
  const data = await Promise.all(named.map(([, tensor]) => tensor.data<'float32' | 'int32'>()))
  const all = new Int32Array(MARK.length + 1 + head.length + data.reduce((sum, { length }) => sum + length, 0))
  all.set([...MARK, named.length, ...head])
  let at = MARK.length + 1 + head.length
  for (const each of data) {
    all.set(bitsOf(each), at)
    at += each.length
  }
  return tf.tensor1d(all, 'int32')
}

/** The inputs of a batch by name: those that `packInputs` put together, or the tensor itself as the first; inside the caller's tidy. */
export const inputsOfBatch = (values: readonly GraphValue[], x: tf.Tensor): GraphTensors => {
  const all = x.dtype === 'int32' && x.rank === 1 ? (x.dataSync() as Int32Array) : undefined // a stage is synchronous, and graphs read it anyway
  if (!all || !MARK.every((mark, i) => all[i] === mark)) return { [values[0].name]: x }
  let at: number = MARK.length
  const next = (): number => all[at++]
  const heads = Array.from({ length: next() }, () => {
    const [index, isFloat, rank] = [next(), next() === 1, next()]
    return { name: values[index].name, isFloat, shape: Array.from({ length: rank }, next) }
  })
  return Object.fromEntries(
    heads.map(({ name, isFloat, shape }) => {
      const count = shape.reduce((product, extent) => product * extent, 1)
      const bits = all.slice(at, (at += count))
      return [name, isFloat ? tf.tensor(new Float32Array(bits.buffer), shape, 'float32') : tf.tensor(bits, shape, 'int32')]
    }),
  )
}
