import { CompressionError } from '@tersor/tensor'
import type { Stage } from '../model/model.js'
import { knownFrequencies } from './features.js'
import type { CachePlan } from './policy.js'

/** An encoding stands at the end: what comes behind it would choose among entries that it changed already. */
const checkEncoding = (plan: CachePlan): void => {
  const misplaced = plan.slice(0, -1).find(({ kind }) => kind === 'encoding')
  if (!misplaced) return
  throw new CompressionError(
    'COMPOSITION',
    `${misplaced.name} is an encoding, and ${plan[plan.length - 1].name} stands behind it in the plan.`,
    'Put policies and rewrites first and one encoding at the end.',
    { encoding: misplaced.name },
  )
}

/** Refuses what the attention of some stages cannot give, and plans in another order; throws UNSUPPORTED and COMPOSITION. */
export const checkPlan = (plan: CachePlan, stages: readonly Stage[]): void => {
  const facts = stages.flatMap(({ attention }) => (attention ? [attention] : []))
  if (plan.length > 0 && facts.length === 0)
    throw new CompressionError(
      'UNSUPPORTED',
      `No stage says what its attention is like, so there is no cache that ${plan[0].name} could keep small.`,
      'Open a language model as a folder or a GGUF file, or leave the plan out.',
    )
  checkEncoding(plan)
  const compact = plan.find(step => step.kind === 'policy' && step.positions === 'compact')
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
