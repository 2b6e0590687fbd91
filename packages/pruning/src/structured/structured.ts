import {
  choice,
  definePass,
  fraction,
  integer,
  shrink,
  switchedOff,
  texts,
  value,
  type Coupling,
  type Made,
  type Model,
  type Selection,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { selectUnits } from './selection.js'
import { unitNorm } from './unit-norm.js'
import { isUnitScore, type UnitScore } from './unit-score.js'

/** The couplings of some kinds. Throws UNSUPPORTED where a network has none of a kind, with those that it has. */
export const couplingsOf = (step: string, { couplings = [], whole = [] }: Model, kinds: readonly string[]): readonly Coupling[] => {
  const own = [...new Set(couplings.map(({ kind }) => kind))]
  const first = whole.at(0)
  const missing = kinds.find(kind => !own.some(each => each === kind))
  if (missing === undefined) return couplings.filter(({ kind }) => kinds.includes(kind))
  throw new CompressionError(
    'UNSUPPORTED',
    `${step} finds no ${missing} in this network.`,
    own.length === 0
      ? first
        ? `All of its units stay whole, those of "${first.weight}" first: ${first.reason}.`
        : 'Use it on a network of @tersor/models, or a graph whose weights are no grids of codes.'
      : `Ask for units that it has: ${own.join(', ')}.`,
    { step, missing, own },
  )
}

/** Scores in which those that went before come last. */
const withoutGone = (couplings: readonly Coupling[], scores: readonly Float64Array[], kept: Selection): readonly Float64Array[] =>
  scores.map((own, i) => {
    const staying = new Set(kept.get(couplings[i].name) ?? own.keys())
    return own.map((score, unit) => (staying.has(unit) ? score : -Infinity))
  })

/**
 * Structured pruning: leaves out whole units, such as neurons, heads and channels, so that a smaller network of the same kind remains.
 * Of each coupling the units with the largest scores stay; `shrink` cuts every weight that writes, carries or reads the others.
 * Throws BAD_OPTION; UNSUPPORTED for a network without such units; COMPOSITION for compressed weights that cannot be cut; what the score throws.
 * Fang et al. 2023, https://arxiv.org/abs/2301.12900
 */
export const structured = definePass({
  name: 'structured',
  summary: 'leaves out whole units, such as neurons, heads and channels, so that a smaller network of the same kind remains',
  paper: {
    title: 'DepGraph: Towards Any Structural Pruning',
    authors: 'Fang et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2301.12900',
  },
  differs:
    'couplings are told by the networks, of imported graphs found by rules over operators, instead of being found from their gradients; nothing is trained to be sparse',
  options: {
    score: value<UnitScore & Made>({ of: 'unit-score', is: isUnitScore, default: unitNorm(), doc: 'how much a unit matters' }),
    keep: fraction({ default: 0.75, doc: 'share of the units that stays' }),
    units: texts({ default: ['neurons'], doc: 'kinds of units: neurons, heads, queries, sizes, stream, experts, channels' }),
    among: choice(['coupling', 'kind'], { default: 'coupling', doc: 'whether units are compared within their block or with those of all blocks, whose widths then differ' }), // prettier-ignore
    normaliser: choice(['mean', 'gaussian'], { default: 'mean', doc: 'by what scores of blocks that are compared are divided: their mean, or, behind taking it off, their deviation' }), // prettier-ignore
    multiple: integer({ min: 1, default: 1, doc: 'counts of units are multiples of this' }),
    rounds: integer({ min: 1, default: 1, doc: 'in how many rounds units go, as many in each; scores are taken again in every one' }),
  },
  check: ({ among, normaliser }) =>
    among === 'kind' || normaliser === 'mean'
      ? undefined
      : [
          `with among = "${among}" no block is compared with another, so normaliser does nothing.`,
          'Pass among: "kind", or leave normaliser out.',
        ],
  run: async (model, context, { score, keep, units, rounds, ...share }) => {
    const couplings = couplingsOf('structured', model, units)
    for (const { weight, reason } of model.whole ?? [])
      context.emit({ type: 'warning', pass: 'structured', message: `units of "${weight}" stay whole: ${reason}.` })
    let kept: Selection = new Map()
    for (let round = 1; round <= rounds; round++) {
      const left = round === 1 ? model : switchedOff(model, { keep: kept })
      const scores = withoutGone(couplings, await score.of({ step: 'structured', model: left, couplings, context }), kept)
      kept = selectUnits(couplings, scores, { ...share, keep: 1 - ((1 - keep) * round) / rounds, comparable: score.comparable ?? false })
    }
    return shrink(model, { keep: kept }, context)
  },
})
