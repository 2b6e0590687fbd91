import { definePass, fraction, shrink, type Coupling, type Selection } from '@tersor/core'
import { blockInfluence, leastInfluential } from './block-influence.js'
import { MURALIDHARAN } from './input-norms.js'
import { selectUnits } from './selection.js'
import { couplingsOf } from './structured.js'
import { unitActivation } from './unit-activation.js'

const NAME = 'minitron'
const share = (doc: string, initial = 1) => fraction({ inclusive: true, default: initial, doc: `share of ${doc} that stays` })

/**
 * Minitron: cuts width and depth in one go by what units give over calibration; distillation is to follow.
 * √ Σ over batches of (mean over tokens of ‖x_u‖₂)² for neurons, heads and the channels of the stream; mean over tokens of ‖share · expert(x)‖₂ for
 * experts; 1 − E[cos(x, block(x))] for blocks.
 * X: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED for units that the network has not.
 * Muralidharan et al. 2024, https://arxiv.org/abs/2407.14679
 */
export const minitron = definePass({
  name: NAME,
  summary: 'cuts width and depth in one go by what units give over calibration',
  paper: MURALIDHARAN,
  differs:
    'a batch of calibration stands for a sequence; importance is estimated once for all axes; experts count by their shares, over all tokens; the heads that are left take over nothing of those that go',
  options: {
    stream: share('the channels between blocks'),
    neurons: share('the neurons of feed-forward networks', 0.75),
    heads: share('key heads, each with its query heads,'),
    queries: share('the query heads of each key head'),
    experts: share('experts'),
    depth: share('blocks'),
  },
  check: shares =>
    Object.values(shares).some(each => each < 1)
      ? undefined
      : ['with every share at 1 it does nothing.', 'Give a share below 1 to stream, neurons, heads, queries, experts or depth.'],
  run: async (model, context, { depth, ...shares }) => {
    const cut = Object.entries(shares).filter(([, keep]) => keep < 1)
    const couplings = cut.length === 0 ? [] : couplingsOf(NAME, model, cut.map(([kind]) => kind)) // prettier-ignore
    const scores = couplings.length === 0 ? [] : await unitActivation().of({ step: NAME, model, couplings, context })
    const keep = new Map<string, readonly number[]>()
    for (const [kind, share] of cut) {
      const isOf = ({ kind: own }: Coupling): boolean => own === kind
      const of: Selection = selectUnits(couplings.filter(isOf), scores.filter((_, i) => isOf(couplings[i])), { keep: share, among: 'coupling', multiple: 1 }) // prettier-ignore
      of.forEach((units, name) => keep.set(name, units))
    }
    const without = depth < 1 ? leastInfluential(await blockInfluence(model, NAME, context), depth) : new Set<string>()
    return shrink(model, { keep, without }, context)
  },
})
