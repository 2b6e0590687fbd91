import { definePolicy, number, required, value } from '@tersor/core'
import { recentKept } from './budget.js'
import { isScored, scoredPolicy } from './scored.js'

/** Budgets that fall in equal steps from the first layer to the last, adding up to layers · mean. */
export const pyramidBudgets = (layers: number, mean: number, beta: number): readonly number[] => {
  const least = mean / beta
  const most = 2 * mean - least
  const until = (layer: number): number => (layers === 1 ? mean * layer : most * layer - ((most - least) / (layers - 1)) * ((layer * (layer - 1)) / 2)) // prettier-ignore
  return Array.from({ length: layers }, (_, layer) => Math.round(until(layer + 1)) - Math.round(until(layer)))
}

/**
 * PyramidKV: gives early layers more entries and late ones fewer, for any policy that scores.
 * b_l falls in equal steps from 2B − B/β to B/β, B the mean of what the wrapped policy chooses freely; what always stays comes on top.
 * Throws BAD_OPTION for a policy that does not score.
 * Cai et al. 2024, https://arxiv.org/abs/2406.02069
 */
export const pyramid = definePolicy({
  name: 'pyramid',
  summary: 'gives early layers more entries and late ones fewer',
  paper: {
    title: 'PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling',
    authors: 'Cai et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2406.02069',
  },
  options: {
    policy: required(value({ of: 'policy', is: isScored, doc: 'a policy that scores entries, such as snap-kv(keep=64)' })),
    beta: number({ min: 1, max: 1000, default: 20, doc: 'the last layer chooses 1/beta of the mean freely' }),
  },
  make: ({ policy, beta }) =>
    scoredPolicy({
      ...policy,
      budget: view => {
        const mean = policy.budget(view)
        const always = policy.limits.sinks + recentKept(policy.limits, mean)
        return always + pyramidBudgets(view.layer.of, mean - always, beta)[view.layer.index]
      },
    }),
})
