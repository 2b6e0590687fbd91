import { definePolicy, fraction, required, value } from '@tersor/core'
import { alwaysKept, ascending, isScored, scoredPolicy, ranked, type ScoredPolicy } from './scored.js'

/** Each row keeps what always stays and a share of its budget; the rest goes to the best entries of all rows of a sequence. */
const bestOfAllRows =
  ({ limits }: ScoredPolicy, floor: number): ScoredPolicy['select'] =>
  (scores, budget, { batch }) => {
    const heads = scores.length / batch
    return Array.from({ length: batch }, (_, sequence) => {
      const own = scores.slice(sequence * heads, (sequence + 1) * heads)
      const kept = own.map(row => new Set(alwaysKept(limits, budget, row.length)))
      const sure = own.map((row, head) => {
        const free = budget - kept[head].size
        const rest = ranked(row).filter(place => !kept[head].has(place))
        rest.subarray(0, Math.floor(floor * free)).forEach(place => kept[head].add(place))
        return rest.subarray(Math.floor(floor * free))
      })
      const open = sure.flatMap((places, head) => Array.from(places, place => ({ head, place, score: own[head][place] })))
      open.sort((a, b) => b.score - a.score || a.head - b.head || a.place - b.place)
      const left = budget * heads - kept.reduce((sum, { size }) => sum + size, 0)
      for (const { head, place } of open.slice(0, Math.max(0, left))) kept[head].add(place)
      return kept.map(ascending)
    }).flat()
  }

/**
 * AdaKV: lets the heads of a layer share their budgets, so that those with more to remember keep more; heads are ragged for real.
 * A head keeps `floor` of its share for sure, and the heads · (1 − floor) shares left go to the best scores of all heads.
 * Throws BAD_OPTION for a policy that does not score.
 * Feng et al. 2024, https://arxiv.org/abs/2407.11550
 */
export const adaptive = definePolicy({
  name: 'adaptive',
  summary: 'lets the heads of a layer share their budgets by score',
  paper: {
    title: 'Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation for Efficient LLM Inference',
    authors: 'Feng et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2407.11550',
  },
  options: {
    policy: required(value({ of: 'policy', is: isScored, doc: 'a policy whose scores heads can compare, such as snap-kv(keep=64)' })),
    floor: fraction({ default: 0.2, doc: 'share of its budget that each head keeps for sure' }),
  },
  make: ({ policy, floor }) => scoredPolicy({ ...policy, select: bestOfAllRows(policy, floor) }),
})
