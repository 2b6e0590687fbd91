import { CompressionError, memoryStore, type Parameter } from '@tersor/tensor'
import type { Scratch } from '../run/scratch.js'

/** A scratch folder in memory, whose units can be damaged. */
export const memoryScratch = (): Scratch & { readonly units: Map<string, ReadonlyMap<string, Parameter>>; damage(unit: string): void } => {
  const units = new Map<string, ReadonlyMap<string, Parameter>>()
  const damaged = new Set<string>()
  const storeOf = (parameters: ReadonlyMap<string, Parameter>) => memoryStore(Object.fromEntries(parameters))
  const no = (): never => {
    throw new Error('not in this fixture')
  }
  return {
    ...{ path: 'memory', units, begin: async () => 'begun', create: no, spill: no, finished: () => units.size },
    ...{ publish: async () => {}, close: async () => {}, remove: async () => {}, damage: unit => void damaged.add(unit) },
    find: async unit => {
      if (damaged.has(unit)) throw new CompressionError('BAD_FILE', `${unit} is not what the run wrote there.`, 'Remove it.')
      const found = units.get(unit)
      return found && { params: storeOf(found), events: [] }
    },
    save: async (unit, parameters) => {
      damaged.delete(unit)
      units.set(unit, new Map(parameters))
      return storeOf(parameters)
    },
  }
}
