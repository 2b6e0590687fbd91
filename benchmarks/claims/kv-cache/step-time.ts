/** How long a step over caches of different forms takes. */
import type { CachePlan } from '@tersor/core'
import { gear, int4, int8, kivi } from '@tersor/kv-cache'
import { freshModel, openSession, type LanguageModel } from '@tersor/models'
import type { Claim } from '../training/claim.js'
import { below, FIGURES, timed, WIDE } from './step-after.js'

export const STEP_TIME: Claim = {
  name: 'step-time',
  says: 'a step of 4 layers of 8 heads of 64 behind 1,024 and 4,096 entries: int8 and int4 below the float cache, others at most 1.3 times it (as stages; of graphs `stored-caches/step-time`)',
  alone: true,
  figures: FIGURES,
  sides: () => {
    const plans: Readonly<Record<string, CachePlan>> = {
      float: [],
      int8: [int8()],
      int4: [int4()],
      'KIVI 4 bits': [kivi({ bits: 4 })],
      'GEAR-L 4 bits': [gear({ bits: 4, outliers: 0 })],
    }
    return Object.entries(plans).map(([name, cache]) => ({
      name,
      fixed: true,
      measure: () => timed(() => openSession(freshModel(WIDE, { seed: 1 }) as LanguageModel, { cache })),
    }))
  },
  failing:
    'two to three times the float step: one graph holds all of it, where steps over pages are cut at each attention (3 ms behind any text), and products with codes, a softmax and copies of the codes into the memory of the kernels take 3 ms a layer behind 4,096 entries, on one thread. It was 40 and 62 ms before such steps were recorded and codes of runs had kernels of their own. Graphs with fused attention, whose runtime has codes of its own, are faster than floats: `stored-caches/step-time`',
  orders: below(['int8', 'int4'], 'float'),
}
