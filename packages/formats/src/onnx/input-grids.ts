import { activationNames } from '@tersor/core'
import { DTYPES, toFloat32, toInt32, type Parameter } from '@tersor/tensor'
import type { Refused } from './forms/misfit.js'
import type { InputGrid } from './replace.js'
import type { WeightUse } from './uses.js'

const BITS = 8

/** The grids of inputs that quantizeActivations keeps beside the weights. */
export interface InputGrids {
  /** Takes a parameter where it is part of a grid, and says whether it was. */
  take(name: string, parameter: Parameter): boolean
  /** By the weight that the input meets; `refused` are those of other widths than 8 bits. */
  readonly grids: ReadonlyMap<string, InputGrid>
  readonly refused: readonly Refused[]
}

/** Collects them for the nodes that multiply by weights. */
export const inputGrids = (uses: readonly WeightUse[]): InputGrids => {
  const parts = new Map<string, { readonly weight: string; readonly part: keyof InputGrid }>()
  for (const { node, weight } of uses) {
    const [scale, zero] = activationNames({ name: node.name || node.output[0] })
    parts.set(scale, { weight: weight.name, part: 'scale' }).set(zero, { weight: weight.name, part: 'zero' })
  }
  const grids = new Map<string, InputGrid>()
  const refused: Refused[] = []
  return {
    grids,
    refused,
    take: (name, parameter) => {
      const found = parts.get(name)
      if (!found || parameter.kind !== 'dense') return false
      const { weight, part } = found
      const { kind, bits } = DTYPES[parameter.dtype]
      if (part === 'zero' && bits !== BITS)
        refused.push({ name, reason: `rounds inputs to ${bits} bits`, step: 'Round them to 8: quantizeActivations(bits=8).' })
      const [value] = kind === 'float' ? toFloat32(parameter) : toInt32(parameter)
      grids.set(weight, { ...(grids.get(weight) ?? { scale: 1, zero: 0 }), [part]: value })
      return true
    },
  }
}
