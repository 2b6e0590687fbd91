/** Choices by layer against one setting for all, at the error of that setting. */
import type { Exchange, GradientTransform } from '@tersor/core'
import { errorFeedback, lGreco, powerSgd, topK, type Collective } from '@tersor/gradients'
import type { Claim } from '../training/claim.js'
import { besideFirst, figures, momentum, side, STEPS } from './small-language-model.js'

const [MOST_BYTES, WITHIN] = [0.75, 1.01]

interface Setting {
  readonly uniform: (peers: Collective) => Exchange
  readonly chosen: (peers: Collective) => Exchange
  readonly transform?: GradientTransform
}

const PARTS = { 'bytes against uniform': 'kilobytes a step', 'loss against uniform': 'loss' } as const

const row = (name: string, says: string, { uniform, chosen, transform }: Setting): Claim => ({
  name,
  says: `a language model of two layers, four workers, ${STEPS} steps: ${says}`,
  figures: {
    ...figures,
    'bytes against uniform': { better: 'lower', digits: 3, tie: 0 },
    'loss against uniform': { better: 'lower', digits: 4, tie: 0 },
  },
  sides: () => besideFirst([side('uniform', uniform, transform), side('L-GreCo', chosen, transform)], PARTS),
  orders: [
    { figure: 'bytes against uniform', first: 'L-GreCo', than: MOST_BYTES },
    { figure: 'loss against uniform', first: 'L-GreCo', than: WITHIN },
  ],
})

const [RANKS, DENSITIES] = [[1, 2, 4, 6, 10, 12, 16], [0.005, 0.01, 0.02, 0.03, 0.08, 0.12, 0.2, 0.4]] // prettier-ignore
const choice = { first: 30, every: 50 }

export const ALLOCATION: readonly Claim[] = [
  {
    ...row('l-greco-ranks', 'L-GreCo over ranks 1 to 16 in at most 0.75 of the bytes of PowerSGD of rank 8, within 1 % of its loss', {
      uniform: peers => powerSgd(peers, { rank: 8 }),
      chosen: peers => lGreco(peers, { rank: 8, ranks: RANKS, ...choice }),
    }),
    failing:
      'at 0.88 of the bytes: the embedding sends most of them and needs its rank, and what the other matrices give away is little; ten steps that are sent as they are count for both',
  },
  row(
    'l-greco-densities',
    'L-GreCo over densities of 0.5 to 40 % in at most 0.75 of the bytes of top-k of 5 %, within 1 % of its loss, both with error feedback and momentum',
    {
      uniform: peers => errorFeedback(peers, { codec: topK({ density: 0.05 }) }),
      chosen: peers =>
        lGreco(peers, { codec: topK({ density: 0.05 }), codecs: DENSITIES.map(density => topK({ density })), start: 0, ...choice }),
      transform: momentum,
    },
  ),
]
