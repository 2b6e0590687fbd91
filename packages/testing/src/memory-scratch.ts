import type { Scratch, Spill, Unit } from '@tersor/core'
import { memorySink, memoryStore } from '@tersor/tensor'

const memorySpill = (): Spill => {
  let data = new Uint8Array(0)
  return {
    write: async (at, bytes) => {
      const grown = new Uint8Array(Math.max(data.byteLength, at + bytes.byteLength))
      grown.set(data)
      grown.set(bytes, at)
      data = grown
    },
    read: async (at, length) => data.slice(at, at + length),
    close: async () => void (data = new Uint8Array(0)),
  }
}

/** A working place in memory: it outlives a run that is stopped, so that another goes on with what that one finished. */
export const memoryScratch = (): Scratch => {
  const units = new Map<string, Unit>()
  return Object.freeze({
    path: 'memory',
    begin: async (_fingerprint, resume) => {
      if (!resume) units.clear()
      return 'begun'
    },
    find: async unit => units.get(unit),
    create: () => memorySink(),
    save: async (unit, parameters, events) => {
      const params = memoryStore(Object.fromEntries(parameters))
      units.set(unit, { params, events })
      return params
    },
    spill: async () => memorySpill(),
    finished: () => units.size,
    publish: async () => {},
    close: async () => {},
    remove: async () => units.clear(),
  } satisfies Scratch)
}
