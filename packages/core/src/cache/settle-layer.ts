import { createRng } from '../run/rng.js'
import { encodeLayer } from './encode-layer.js'
import { knownFrequencies } from './features.js'
import type { HeldCache } from './held-cache.js'
import { addedSums, askStep, type Sums } from './planned-layer.js'
import { encodingOf, isCompact, type AskedStep, type CachePlan } from './policy.js'

/** What a layer is asked. */
export interface Settling {
  readonly plan: CachePlan
  /** Policies and rewrites of the plan that are due. */
  readonly steps: readonly AskedStep[]
  /** Whether what is old enough is encoded behind them, which may be what they made exact. */
  readonly encodes: boolean
  readonly seed: number
  readonly index: number
  readonly of: number
}

/** Asks the steps that are due, in order, over all entries in full; the sums of what is left. What was encoded stays so where nothing was let go. */
const askAll = async (layer: HeldCache, before: Sums, { plan, steps, seed, index, of }: Settling): Promise<Sums> => {
  const sumsUp = plan.some(({ needs }) => 'shares' in needs)
  if (steps.length === 0 && !sumsUp) return before
  const thawed = layer.pages.length > 0 ? layer.thaw() : undefined
  const view = { index, of, attention: layer.facts }
  let sums = before
  let changed = false
  try {
    if (sumsUp) sums = await addedSums(sums, layer, layer.queries.value)
    for (const step of steps) {
      const rng = createRng(seed).fork(`${index}:${step.name}:${layer.seen}`)
      const batch = layer.held.reduce((rows, { keys }) => rows + keys.shape[0], 0) / layer.facts.keyHeads
      const left = await askStep(step, layer, sums, { batch, layer: view, rng })
      if (left) changed = true
      sums = left ?? sums
    }
  } finally {
    if (changed) thawed?.drop()
    else thawed?.restore()
  }
  if (changed && isCompact(plan)) layer.compact(knownFrequencies(layer.facts, 'The plan'))
  return sums
}

/** Asks what is due of one layer, and encodes what is old enough; the sums of what is left. */
export const settleLayer = async (layer: HeldCache, before: Sums, settling: Settling): Promise<Sums> => {
  const { plan, encodes, seed, index, of } = settling
  const encoding = encodes ? encodingOf(plan) : undefined
  try {
    const sums = await askAll(layer, before, settling)
    if (encoding) {
      const batch = layer.held.reduce((rows, { keys }) => rows + keys.shape[0], 0) / layer.facts.keyHeads
      const rng = createRng(seed).fork(`${index}:${encoding.name}:${layer.seen}`)
      const view = { seen: layer.seen, next: layer.next, layer: { index, of, attention: layer.facts }, batch, rng }
      await encodeLayer(encoding, layer, sums, view)
    }
    return sums
  } finally {
    layer.queries.forget()
  }
}
