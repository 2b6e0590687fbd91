import * as tf from '@tensorflow/tfjs-core'
import { decode, sitesOf } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { describe, sizeOf, type Parameter } from '@tersor/tensor'
import type { CompressionResult } from '../compression-result.js'
import { defined } from '../defined.js'
import { REMOVED, type OwnResult } from './families.js'

/** Removed entries of a matrix. */
const zerosOf = async (parameter: Parameter): Promise<number> => {
  const count = tf.tidy(() => tf.sum(tf.cast(tf.equal(decode(parameter), 0), 'float32')))
  try {
    return (await count.data())[0]
  } finally {
    count.dispose()
  }
}

/** The rank of the first factors in a tree. */
const rankOf = (parameter: Parameter): number | undefined => {
  if (parameter.kind === 'dense') return undefined
  const { u } = parameter.parts
  if (parameter.codec.name === 'factored' && u) return u.shape[1]
  for (const part of Object.values(parameter.parts)) {
    const rank = rankOf(part)
    if (rank !== undefined) return rank
  }
  return undefined
}

/** A number that a step of one's own was given under a name, should it have such an option. */
const optionOf = ({ steps }: CompressionResult, name: string): number | undefined =>
  steps.map(({ options }) => options?.[name]).find((value): value is number => typeof value === 'number')

/** Looks at the layers of a result: how they are stored and how much of them was removed. */
export const ownResult = async (result: CompressionResult, small: OpenedModel): Promise<OwnResult> => {
  const compressed = new Set(result.layers.map(({ layer }) => layer))
  const names = new Set(small.params.names())
  const weights = sitesOf(small).flatMap(({ name, weight }) => (compressed.has(name) && names.has(weight) ? [weight] : []))
  const trees: string[] = []
  let [zeros, entries, rank]: [number, number, number | undefined] = [0, 0, undefined]
  for (const name of new Set(weights)) {
    const parameter = await small.params.read(name)
    const tree = describe(parameter)
    trees.push(tree)
    rank ??= rankOf(parameter)
    if (REMOVED.test(tree)) zeros += await zerosOf(parameter)
    entries += sizeOf(parameter.shape)
  }
  const sparsity = zeros / Math.max(1, entries)
  const told = defined({ rank, bits: optionOf(result, 'bits'), group: optionOf(result, 'group') })
  return { trees, bitsPerWeight: result.compressed.bitsPerWeight, sparsity, ...told }
}
