import { CompressionError } from '@tersor/tensor'
import type { Stage } from '../model/model.js'
import { knownFrequencies } from './features.js'
import type { CachePlan } from './policy.js'

/** Refuses what the attention of some stages cannot give; throws UNSUPPORTED. */
export const checkPlan = (plan: CachePlan, stages: readonly Stage[]): void => {
  const facts = stages.flatMap(({ attention }) => (attention ? [attention] : []))
  if (plan.length > 0 && facts.length === 0)
    throw new CompressionError(
      'UNSUPPORTED',
      `No stage says what its attention is like, so there is no cache that ${plan[0].name} could keep small.`,
      'Open a language model as a folder or a GGUF file, or leave the plan out.',
    )
  const compact = plan.find(policy => policy.positions === 'compact')
  if (!compact) return
  if (facts.some(({ positions }) => positions === 'learned'))
    throw new CompressionError(
      'UNSUPPORTED',
      `${compact.name} renumbers positions, and this model adds learned ones to its embedding.`,
      'Choose true positions, and keep the text within the context.',
      { policy: compact.name },
    )
  facts.forEach(each => knownFrequencies(each, compact.name))
}
