import * as tf from '@tensorflow/tfjs-core'
import {
  choice,
  cutParameter,
  cutsOf,
  definePass,
  integer,
  positive,
  refuseActivationGrids,
  remade,
  texts,
  unitsAlong,
  walkStages,
  type Calibration,
  type Collector,
  type Context,
  type Coupling,
  type Model,
  type Site,
  type Sorted,
  type Visit,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { blockInfluence } from './block-influence.js'
import { readingsAt, readingsOf } from './input-norms.js'
import { bestFirst, ridgeOf, unpredicted } from './ridge-order.js'
import { sortPairs, sortValues } from './sort-heads.js'
import { couplingsOf } from './structured.js'

const NAME = 'uniql'
const KINDS = ['neurons', 'heads']

/** What queries, keys and values of a stage read, where its heads can be sorted. */
const headsInput = ({ pairs, rotations = [] }: Model['stages'][number]): string | undefined =>
  pairs && rotations.length > 0 ? pairs.keys[0].parameter : undefined

/** Σ xᵀx of what sites read, those of heads with a 1 behind it. */
const momentsOf = (ofHeads: ReadonlySet<string>): Calibration<tf.Tensor> => ({
  init: ({ weight }, columns) => {
    const width = ofHeads.has(weight) ? columns + 1 : columns
    return tf.zeros([width, width])
  },
  update: (sum, x, { weight }) => {
    const rows = ofHeads.has(weight) ? tf.concat2d([x, tf.ones([x.shape[0], 1])], 1) : x
    return tf.add(sum, tf.matMul(rows, rows, true))
  },
})

/** How much each block turns its inputs, in their order. */
const influenceOf = async (model: Model, context: Context): Promise<readonly number[]> => {
  const influence = await blockInfluence(model, NAME, context)
  return (model.blocks ?? []).filter(({ kind }) => kind === 'whole').map(({ name }) => influence.get(name)!)
}

/** What of each unit the others that the sites of a stage read do not say, (units). */
const leftOf = async (coupling: Coupling, { stage }: Visit, seen: Collector, ridge: number): Promise<Float64Array> => {
  const left = new Float64Array(coupling.units)
  const readings = readingsOf([coupling])
  for (const site of stage.sites)
    for (const { member } of readingsAt(readings, site)) {
      const { stats, rows } = seen.of(site)
      const moments = tf.div<tf.Tensor2D>(stats as tf.Tensor2D, Math.max(1, rows))
      const [columns] = moments.shape
      const mean = new Float32Array(await moments.data<'float32'>()) // a copy, which is used up
      moments.dispose()
      const channels = await unpredicted(mean, columns, ridgeOf(mean, columns, ridge))
      unitsAlong(member, coupling.units, columns).forEach((unit, channel) => {
        if (unit >= 0) left[unit] += channels[channel]
      })
    }
  return left
}

/** Puts the neurons of a stage in their order, in every weight that has them. */
const sortNeurons = async (visit: Visit, couplings: readonly Coupling[], seen: Collector, ridge: number): Promise<void> => {
  const keep = new Map<string, readonly number[]>()
  for (const coupling of couplings) {
    const { name, units, perGroup = units } = coupling
    keep.set(name, bestFirst(await leftOf(coupling, visit, seen, ridge), perGroup))
  }
  for (const [name, cuts] of cutsOf(couplings, { keep })) visit.replace(name, cutParameter(name, await visit.read(name), cuts))
}

/** Sorts the heads of a stage: the pairs of queries and keys, and the values. */
const sortHeads = async (visit: Visit, seen: Collector): Promise<void> => {
  const { pairs, rotations = [], sites } = visit.stage
  const read = sites.find(({ weight }) => weight === headsInput(visit.stage))
  if (!pairs || !read) return
  const { stats, rows } = seen.of(read)
  const moments = { sum: stats as tf.Tensor2D, rows: Math.max(1, rows) }
  await sortPairs(visit, pairs, moments)
  for (const rotation of rotations) await sortValues(visit, rotation, moments)
}

const checkHeads = ({ stages }: Model): void => {
  const attending = stages.filter(({ attention, rotations = [] }) => attention ?? rotations.length > 0)
  if (attending.length > 0 && attending.every(stage => headsInput(stage) !== undefined)) return
  throw new CompressionError(
    'UNSUPPORTED',
    `${NAME} finds no heads in this network whose rotary pairs can come in an order of their own.`,
    'Ask for units=[neurons]; heads are sorted in networks of the Llama family without norms over queries and keys.',
    { step: NAME },
  )
}

/**
 * UniQL: sorts neurons and channels of heads so that any first ones are a good cut, which a file is opened with; the function stays.
 * Neurons by the ridge scores diag(C(C + λI)⁻¹), C = E[xᵀx] of what reads them; values of each head with what reads them by singular values,
 * which go into the values; rotary pairs by √(E‖q‖² · E‖k‖²).
 * X: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED for a network without such units, COMPOSITION for compressed weights and behind grids of inputs.
 * Chiang et al. 2025, https://arxiv.org/abs/2512.03383
 */
export const uniql = definePass({
  name: NAME,
  summary: 'sorts neurons and channels of heads so that any first ones are a good cut, which a file is opened with',
  paper: {
    title: 'UniQL: Unified Quantization and Low-rank Compression for Adaptive Edge LLMs',
    authors: 'Chiang et al.',
    year: 2025,
    url: 'https://arxiv.org/abs/2512.03383',
  },
  differs:
    'the adapters that the paper tunes at random shares, and layers of state spaces, are left out; values of grouped queries are decomposed together with all heads that read them; pairs are scored by norms over both members, which no position changes; λ counts in mean squares of the inputs',
  exact: true,
  options: {
    units: texts({ default: KINDS, doc: 'what is sorted: neurons, heads' }),
    ridge: positive({ default: 1, doc: 'λ of the scores, in mean squares of the inputs' }),
    multiple: integer({ min: 1, default: 32, doc: 'widths that a cut leaves are multiples of this' }),
    pairs: integer({ min: 1, default: 8, doc: 'and head sizes are of so many pairs' }),
    shares: choice(['influence', 'equal'], { default: 'influence', doc: 'whether a cut takes as much of every block, or more of those that turn their inputs least' }), // prettier-ignore
  },
  check: ({ units }) =>
    units.every(unit => KINDS.includes(unit))
      ? undefined
      : [`units are ${KINDS.join(' and ')}, got ${units.join(', ')}.`, 'Ask for one of them, or both.'],
  run: async (model, context, { units, ridge, multiple, pairs, shares }) => {
    const neurons = units.includes('neurons') ? couplingsOf(NAME, model, ['neurons']) : []
    const heads = units.includes('heads')
    refuseActivationGrids(NAME, model)
    if (heads) checkHeads(model)
    const ofHeads = new Set(heads ? model.stages.flatMap(stage => headsInput(stage) ?? []) : [])
    const readings = readingsOf(neurons)
    const chosen = (site: Site): boolean => ofHeads.has(site.weight) || readingsAt(readings, site).length > 0
    const influence = shares === 'influence' ? await influenceOf(model, context) : undefined
    const sorted: Sorted = {
      multiples: { ...model.sorted?.multiples, ...(neurons.length > 0 ? { neurons: multiple } : {}), ...(heads ? { sizes: pairs } : {}) },
      ...(influence ? { influence } : {}),
    }
    const { over } = remade(model, { sorted })
    const walked = await walkStages(model, context, { pass: NAME, calibrated: true, follow: 'original' }, async visit => {
      if (!visit.stage.sites.some(chosen)) return
      const seen = await visit.statistics(momentsOf(ofHeads), chosen)
      const own = neurons.filter(each => visit.stage.sites.some(site => readingsAt(readingsOf([each]), site).length > 0))
      await sortNeurons(visit, own, seen, ridge)
      if (heads) await sortHeads(visit, seen)
    })
    return over(walked.params)
  },
})
