import * as tf from '@tensorflow/tfjs-core'
import { collectBatches, followStages, type Coupling, type Model, type Probe } from '@tersor/core'
import type { UnitScoring } from './unit-score.js'

/** Of a coupling of experts the place that shows what each of them adds. */
const placesOf = ({ name, units }: Coupling): readonly string[] => Array.from({ length: units }, (_, unit) => `${name}.${unit}.outputs`)

/** What one expert added so far: Σ over tokens of ‖y‖₂, and how many tokens there were. */
interface Added {
  readonly sum: tf.Tensor
  readonly tokens: number
}

/** Adds up what a probe sees at some places; y: (rows, hidden). */
const addingUp = (places: readonly string[], added: Map<string, Added>): Probe => {
  const wanted = new Set(places)
  return (place, value) => {
    if (!wanted.has(place)) return
    const before = added.get(place)
    const y = value()
    const sum = tf.sum(tf.sqrt(tf.sum(tf.square(y), 1)))
    added.set(place, { sum: tf.keep(before ? tf.add(before.sum, sum) : sum), tokens: (before?.tokens ?? 0) + y.shape[0] })
    before?.sum.dispose()
  }
}

/**
 * Experts by what they add: the mean over tokens of ‖share · expert(x)‖₂, which is zero for tokens that go to others; (units) of each coupling.
 * Throws NO_CALIBRATION.
 */
export const expertOutputs = async (
  model: Model,
  couplings: readonly Coupling[],
  { step, context }: Pick<UnitScoring, 'step' | 'context'>,
): Promise<readonly Float64Array[]> => {
  const inputs = context.activations(await collectBatches(step, context.calibration))
  const added = new Map<string, Added>()
  const scores = couplings.map(({ units }) => new Float64Array(units))
  try {
    await followStages(model, inputs, { signal: context.signal }, async view => {
      for (const [i, coupling] of couplings.entries()) {
        if (!view.stage.parameters.includes(coupling.members[0].parameter)) continue
        const places = placesOf(coupling)
        await view.pass(() => {}, undefined, addingUp(places, added))
        for (const [unit, { sum, tokens }] of places.map(place => added.get(place)!).entries())
          scores[i][unit] = (await sum.data())[0] / tokens
      }
    })
    return scores
  } finally {
    added.forEach(({ sum }) => sum.dispose())
    await inputs.dispose()
  }
}
