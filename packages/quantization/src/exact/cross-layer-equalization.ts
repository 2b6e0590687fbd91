import { definePass, refuseActivationGrids, unitsAlong, walkStages, type Coupling, type Context, type Model, type Span } from '@tersor/core'
import { CompressionError, fromFloat32, sizeOf, toFloat32, type Dense, type Shape } from '@tersor/tensor'

const NAME = 'cross-layer-equalization'

/** What is divided (all that makes the units and goes with them) and what is multiplied (what reads them). */
interface Pair {
  readonly units: number
  readonly divided: readonly Span[]
  readonly multiplied: readonly Span[]
}

interface Weight {
  readonly values: Float32Array
  readonly shape: Shape
  readonly source: Dense
}

const pairOf = ({ members, units }: Coupling): Pair => ({
  units,
  divided: members.filter(({ role }) => role !== 'reads'),
  multiplied: members.filter(({ role }) => role === 'reads'),
})

/** Calls back with each number of a span and the unit that it belongs to. */
const eachOf = ({ values, shape }: Weight, span: Span, units: number, visit: (index: number, unit: number) => void): void => {
  const unitAt = unitsAlong(span, units, shape[span.axis])
  const inner = sizeOf(shape.slice(span.axis + 1))
  for (let i = 0; i < values.length; i++) {
    const unit = unitAt[Math.floor(i / inner) % unitAt.length]
    if (unit >= 0) visit(i, unit)
  }
}

/** max |w| of each unit. */
const rangesOf = (spans: readonly Span[], units: number, weights: ReadonlyMap<string, Weight>): Float64Array => {
  const ranges = new Float64Array(units)
  for (const span of spans) {
    const weight = weights.get(span.parameter)!
    eachOf(weight, span, units, (i, unit) => (ranges[unit] = Math.max(ranges[unit], Math.abs(weight.values[i]))))
  }
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
const equalize = ({ divided, multiplied, units }: Pair, weights: ReadonlyMap<string, Weight>): number => {
  const outputs = rangesOf(divided.slice(0, 1), units, weights) // of the weight alone: its bias has no range to equalize
  const inputs = rangesOf(multiplied, units, weights)
  const factors = outputs.map((range, unit) => (range > 0 && inputs[unit] > 0 ? Math.sqrt(range / inputs[unit]) : 1))
  const scale = (spans: readonly Span[], by: (factor: number) => number): void => {
    for (const span of spans) {
      const weight = weights.get(span.parameter)!
      eachOf(weight, span, units, (i, unit) => (weight.values[i] *= by(factors[unit])))
    }
  }
  scale(divided, factor => 1 / factor)
  scale(multiplied, factor => factor)
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
    const pairs = (model.couplings ?? []).filter(({ homogeneous }) => homogeneous).map(pairOf)
    if (pairs.length === 0)
      throw new CompressionError(
        'COMPOSITION',
        `${NAME} found no two layers with only a ReLU between them.`,
        'Use it on a network of convolutions whose batch norms are folded (fold-batch-norm).',
      )
    const weights = new Map<string, Weight>()
    for (const { parameter: name } of pairs.flatMap(({ divided, multiplied }) => [...divided, ...multiplied]))
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
