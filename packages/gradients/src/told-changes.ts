import { addInto, addScaled, scale, subtractFrom } from '@tersor/kernels/vectors'
import { sizeOf } from '@tersor/tensor'
import type { Rule } from './coded-gradients.js'

/**
 * Workers tell what their gradient changed by since they told it last, with a part η of what was left out, and all apply the mean of what was told:
 * Δᵢ = C(η eᵢ + gᵢ − hᵢ), eᵢ ← eᵢ + gᵢ − hᵢ − Δᵢ, hᵢ ← hᵢ + Δᵢ, h ← h + (1 / N) Σ Δᵢ. Without a part nobody keeps eᵢ.
 */
export const toldChanges = (control: number): Rule => ({
  init: shape => {
    const told = { own: new Float32Array(sizeOf(shape)), mean: new Float32Array(sizeOf(shape)) }
    return control > 0 ? { ...told, error: new Float32Array(sizeOf(shape)) } : told
  },
  before: (gradient, { own, error }) => {
    const change = gradient.slice()
    subtractFrom(change, own)
    if (control > 0) addScaled(change, error, control)
    return change
  },
  sent: (encoded, decoded, { own, error }) => {
    addInto(own, decoded)
    if (control === 0) return
    scale(error, 1 - control) // of it, that part is in what was encoded
    addInto(error, encoded)
    subtractFrom(error, decoded)
  },
  behind: (change, { mean }) => {
    addInto(mean, change)
    change.set(mean)
  },
})
