import * as tf from '@tensorflow/tfjs-core'
import {
  biasNameOf,
  decode,
  definePass,
  fraction,
  shrink,
  sitesOf,
  texts,
  unitsAlong,
  type Context,
  type Coupling,
  type Model,
  type Selection,
} from '@tersor/core'
import { CompressionError, fromFloat32, overlay, sizeOf, type Parameter } from '@tersor/tensor'
import { readChannels, type ReadChannels } from './fluctuations.js'
import { readingsAt, readingsOf } from './input-norms.js'
import { couplingsOf } from './structured.js'

const NAME = 'flap'

/** (s − mean) / standard deviation, (units); zeros where all are equal. */
export const standardised = (scores: Float64Array): Float64Array => {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length
  const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / Math.max(1, scores.length - 1))
  return scores.map(score => (deviation === 0 ? 0 : (score - mean) / deviation))
}

/** Weights that one unit takes with it. */
const costOf = ({ members, units }: Coupling, { params }: Model): number =>
  members.reduce((sum, span) => {
    const { shape } = params.info(span.parameter)
    const owned = unitsAlong(span, units, shape[span.axis]).reduce((count, unit) => count + (unit >= 0 ? 1 : 0), 0)
    return sum + (owned * sizeOf(shape)) / shape[span.axis] / units
  }, 0)

/** Mean over a unit's channels of variance · ‖W_:,j‖², for each coupling standardised: (units). */
const scoresOf = (couplings: readonly Coupling[], seen: readonly ReadChannels[]): readonly Float64Array[] => {
  const readings = readingsOf(couplings)
  const all = couplings.map(({ units }) => ({ sum: new Float64Array(units), channels: new Float64Array(units) }))
  for (const { site, variance, squares } of seen)
    for (const { coupling, member } of readingsAt(readings, site))
      unitsAlong(member, couplings[coupling].units, variance.length).forEach((unit, channel) => {
        if (unit < 0) return
        all[coupling].sum[unit] += variance[channel] * squares[channel]
        all[coupling].channels[unit]++
      })
  return all.map(({ sum, channels }) => standardised(sum.map((score, unit) => score / Math.max(1, channels[unit]))))
}

/** The best units of all couplings together until their weights fill the share; each coupling keeps as many as it must. */
export const fillShare = (
  couplings: readonly Coupling[],
  scores: readonly Float64Array[],
  costs: readonly number[],
  keep: number,
): Selection => {
  const all = scores.flatMap((each, coupling) => [...each].map((score, unit) => ({ score, coupling, unit })))
  all.sort((a, b) => b.score - a.score || a.coupling - b.coupling || a.unit - b.unit)
  const kept = couplings.map(() => new Set<number>())
  for (const [i, { least = 1 }] of couplings.entries())
    for (const { unit } of all.filter(({ coupling }) => coupling === i).slice(0, least)) kept[i].add(unit)
  const budget = keep * couplings.reduce((sum, { units }, i) => sum + units * costs[i], 0)
  let filled = kept.reduce((sum, { size }, i) => sum + size * costs[i], 0)
  for (const { coupling, unit } of all) {
    if (kept[coupling].has(unit) || filled + costs[coupling] > budget * (1 + 1e-9)) continue
    kept[coupling].add(unit)
    filled += costs[coupling]
  }
  return new Map(couplings.map(({ name }, i) => [name, [...kept[i]].sort((a, b) => a - b)]))
}

/** b + W · mean of the channels that go, for each site that has a bias. */
const compensated = async (
  { params }: Model,
  couplings: readonly Coupling[],
  keep: Selection,
  seen: readonly ReadChannels[],
): Promise<ReadonlyMap<string, Parameter>> => {
  const readings = readingsOf(couplings)
  const own = new Set(params.names())
  const changed = new Map<string, Parameter>()
  for (const { site, mean } of seen) {
    const bias = biasNameOf(site)
    if (!own.has(bias)) continue
    const lost = Float32Array.from(mean, () => 0)
    for (const { coupling, member } of readingsAt(readings, site)) {
      const stays = new Set(keep.get(couplings[coupling].name))
      unitsAlong(member, couplings[coupling].units, mean.length).forEach((unit, channel) => {
        if (unit >= 0 && !stays.has(unit)) lost[channel] = mean[channel]
      })
    }
    const [weight, before] = [decode(await params.read(site.weight)), await params.read(bias)]
    const sum = tf.tidy(() => {
      const rows = site.inAxis === 1 ? weight : tf.transpose(weight) // (out, in)
      return tf.add(decode(before), tf.reshape(tf.matMul(rows as tf.Tensor2D, tf.tensor2d(lost, [lost.length, 1])), [-1]))
    })
    weight.dispose()
    const values = await sum.data<'float32'>()
    sum.dispose()
    changed.set(bias, fromFloat32(values, before.kind === 'dense' ? before.dtype : 'f32', before.shape))
  }
  return changed
}

const withBiases = (model: Model, { emit }: Context): Model => {
  if (model.withBiases) return model.withBiases()
  const own = new Set(model.params.names())
  const hasBias = sitesOf(model).some(site => own.has(biasNameOf(site)))
  if (!hasBias)
    emit({ type: 'warning', pass: NAME, message: 'layers of this network can have no biases, so what is cut is not made up for' })
  return model
}

/**
 * FLAP: leaves out neurons and heads whose inputs hardly move, and puts what they gave on average into biases; nothing is trained.
 * s_j = Var(x_j) · ‖W_:,j‖², the mean over a unit's channels, standardised in each block; the best of all blocks stay until their weights
 * fill the share; b ← b + W_gone · E[x_gone].
 * W: (out, in), X: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED, COMPOSITION as `shrink` does.
 * An et al. 2023, https://arxiv.org/abs/2312.11983
 */
export const flap = definePass({
  name: NAME,
  summary: 'leaves out neurons and heads whose inputs hardly move, and puts what they gave on average into biases',
  paper: {
    title: 'Fluctuation-based Adaptive Structured Pruning for Large Language Models',
    authors: 'An et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2312.11983',
  },
  differs: 'a key head goes with all its query heads; every block keeps one unit of each kind; variances are taken over all tokens at once',
  options: {
    keep: fraction({ default: 0.75, doc: 'share of the weights of these units that stays' }),
    units: texts({ default: ['neurons', 'heads'], doc: 'kinds of units: neurons, heads' }),
  },
  run: async (given, context, { keep, units }) => {
    const model = withBiases(given, context)
    const couplings = couplingsOf(NAME, model, units)
    const grouped = couplings.find(({ perGroup }) => perGroup !== undefined)
    if (grouped)
      throw new CompressionError('UNSUPPORTED', `${NAME} compares all units with each other, and those of "${grouped.name}" stand in groups.`, 'Ask for neurons and heads.', { coupling: grouped.name }) // prettier-ignore
    const readings = readingsOf(couplings)
    const seen = await readChannels(model, NAME, context, site => readingsAt(readings, site).length > 0)
    const selection = fillShare(couplings, scoresOf(couplings, seen), couplings.map(each => costOf(each, model)), keep) // prettier-ignore
    const changed = await compensated(model, couplings, selection, seen)
    return shrink({ ...model, params: overlay(model.params, changed) }, { keep: selection }, context)
  },
})
