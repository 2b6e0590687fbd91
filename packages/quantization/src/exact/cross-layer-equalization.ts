import { definePass, walkStages, type Coupling, type Context, type Model } from '@tersor/core'
import { CompressionError, fromFloat32, sizeOf, toFloat32, type Dense, type Shape } from '@tersor/tensor'
import { refuseActivationGrids } from './activation-grids.js'

const NAME = 'cross-layer-equalization'

/** A tensor whose channels along an axis share one factor. */
interface Member {
  readonly name: string
  readonly axis: number
}

/** What is divided (outputs and their bias) and what is multiplied (the inputs of the layer behind). */
interface Pair {
  readonly divided: readonly Member[]
  readonly multiplied: Member
}

interface Weight {
  readonly values: Float32Array
  readonly shape: Shape
  readonly source: Dense
}

const pairOf = ({ members }: Coupling): Pair => {
  const all = members.map(({ weight, axis }) => ({ name: weight, axis }))
  return { divided: all.slice(0, -1), multiplied: all[all.length - 1] }
}

/** Calls back with the channel of each number. */
const eachOf = ({ values, shape }: Weight, axis: number, visit: (index: number, channel: number) => void): void => {
  const inner = sizeOf(shape.slice(axis + 1))
  for (let i = 0; i < values.length; i++) visit(i, Math.floor(i / inner) % shape[axis])
}

/** max |w| of each channel. */
const rangesOf = (weight: Weight, axis: number): Float64Array => {
  const ranges = new Float64Array(weight.shape[axis])
  eachOf(weight, axis, (i, channel) => (ranges[channel] = Math.max(ranges[channel], Math.abs(weight.values[i]))))
  return ranges
}

const load = async (model: Model, name: string, { signal }: Context): Promise<Weight> => {
  const source = await model.params.read(name, { signal })
  if (source.kind === 'dense') return { values: toFloat32(source).slice(), shape: source.shape, source }
  throw new CompressionError(
    'COMPOSITION',
    `"${name}" is compressed already (${source.codec.name}), and equalizing would change it.`,
    `Put ${NAME} before the steps that compress.`,
    { name, codec: source.codec.name },
  )
}

/** Moves the factors of one pair; gives the largest of |log s|, 0 where the ranges agree. */
const equalize = ({ divided, multiplied }: Pair, weights: ReadonlyMap<string, Weight>): number => {
  const [first, second] = [weights.get(divided[0].name)!, weights.get(multiplied.name)!]
  const [outputs, inputs] = [rangesOf(first, divided[0].axis), rangesOf(second, multiplied.axis)]
  const factors = outputs.map((range, channel) => (range > 0 && inputs[channel] > 0 ? Math.sqrt(range / inputs[channel]) : 1))
  for (const { name, axis } of divided) {
    const weight = weights.get(name)!
    eachOf(weight, axis, (i, channel) => (weight.values[i] /= factors[channel]))
  }
  eachOf(second, multiplied.axis, (i, channel) => (second.values[i] *= factors[channel]))
  return factors.reduce((most, factor) => Math.max(most, Math.abs(Math.log(factor))), 0)
}

/** Chains of three layers and more settle in a few rounds; this is far beyond. */
const MOST_ROUNDS = 40
const SETTLED = 1e-4

/**
 * Cross-layer equalization: where only a ReLU lies between two layers, output channel i of the first is divided by sᵢ and input channel i of the
 * second multiplied by it, sᵢ = √(r¹ᵢ / r²ᵢ) with r = max |w| of the channel: the same function, and both layers' channels then have one range.
 * W₁: (out, in) on its output axis, W₂ on its input axis. Rounds go on until no factor moves by more than 1e-4.
 * Nagel et al. 2019, https://arxiv.org/abs/1906.04721, section 4.1. Throws COMPOSITION for models without such pairs and for compressed weights.
 * Holds the weights of all pairs in memory.
 */
export const crossLayerEqualization = definePass({
  name: NAME,
  summary: 'gives the channels of neighbouring layers one range without changing the function',
  paper: {
    title: 'Data-Free Quantization Through Weight Equalization and Bias Correction',
    authors: 'Nagel et al.',
    year: 2019,
    url: 'https://arxiv.org/abs/1906.04721',
    section: 'section 4.1',
  },
  exact: true,
  options: {},
  run: async (model, context) => {
    refuseActivationGrids(NAME, model)
    const pairs = (model.couplings ?? []).filter(({ homogeneous, members }) => homogeneous && members.length > 1).map(pairOf)
    if (pairs.length === 0)
      throw new CompressionError(
        'COMPOSITION',
        `${NAME} found no two layers with only a ReLU between them.`,
        'Use it on a network of convolutions whose batch norms are folded (fold-batch-norm).',
      )
    const weights = new Map<string, Weight>()
    for (const { name } of pairs.flatMap(({ divided, multiplied }) => [...divided, multiplied]))
      if (!weights.has(name)) weights.set(name, await load(model, name, context))
    for (let round = 0; round < MOST_ROUNDS; round++) {
      context.signal.throwIfAborted()
      if (Math.max(...pairs.map(pair => equalize(pair, weights))) < SETTLED) break
    }
    return walkStages(model, context, { pass: NAME, others: true }, async ({ owned, replace }) => {
      for (const name of owned.filter(each => weights.has(each))) {
        const { values, shape, source } = weights.get(name)!
        replace(name, fromFloat32(values, source.dtype, shape))
      }
    })
  },
})
