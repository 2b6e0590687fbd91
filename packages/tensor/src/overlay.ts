import type { Parameter } from './parameter.js'
import { infoOf, type ParameterStore } from './store.js'

/** A store with some parameters in the place of its own, or besides them. */
export const overlay = (params: ParameterStore, changed: ReadonlyMap<string, Parameter>): ParameterStore => ({
  ...params,
  names: () => [...new Set([...params.names(), ...changed.keys()])],
  info: name => {
    const parameter = changed.get(name)
    return parameter ? infoOf(parameter) : params.info(name)
  },
  read: async (name, options) => changed.get(name) ?? params.read(name, options),
  ...(params.outline && { outline: (name: string) => (changed.has(name) ? undefined : params.outline!(name)) }),
})
