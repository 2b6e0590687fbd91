import { definePolicy } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/**
 * Random: keeps entries drawn without a reason, which is what every other policy must beat.
 * s_j uniform in [0, 1), of the seed, the layer and the tokens seen; s: (rows, entries). Throws BAD_OPTION for a budget below sinks and recent entries.
 */
export const random = definePolicy({
  name: 'random',
  summary: 'keeps entries drawn without a reason, which every other policy must beat',
  options: budgetOptions({ sinks: 0, recent: 1 }),
  check: refusedBudget,
  make: options =>
    scored(options, {}, ({ positions }, { rng }) =>
      Float32Array.from({ length: positions.length * positions[0].length }, () => rng.uniform()),
    ),
})
