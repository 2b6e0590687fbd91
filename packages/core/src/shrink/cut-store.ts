import { bytesOf, infoOf, storeOver, type Parameter, type ParameterInfo, type ParameterStore } from '@tersor/tensor'
import { keptAlong } from './spans.js'
import { cutParameter, type Cuts } from './cuts.js'

/** A parameter of the store before, and what is known of it behind its cuts. */
interface Entry {
  readonly name: string
  readonly cuts?: Cuts | undefined
  readonly info: ParameterInfo
}

/** What a parameter is called behind the cuts, nothing where it goes, and which one stands in its place. */
interface Names {
  readonly rename: (name: string) => string | undefined
  readonly source: (name: string) => string
}

const denseInfo = ({ shape, dtype }: ParameterInfo, { axes }: Cuts): ParameterInfo => {
  const cut = shape.map((extent, axis) => (axes.has(axis) ? keptAlong(extent, axes.get(axis)!).length : extent))
  return { shape: cut, dtype: dtype!, byteLength: bytesOf(dtype!, cut) }
}

/**
 * A store whose parameters are cut when they are read. Trees are read and cut once before, so that one that cannot be is told by then.
 * Throws COMPOSITION for a tree whose codec cannot be cut there.
 */
export const cutStore = async (
  store: ParameterStore,
  cuts: ReadonlyMap<string, Cuts>,
  { rename, source }: Names,
  signal?: AbortSignal,
): Promise<ParameterStore> => {
  const read = (name: string, stop: AbortSignal | undefined): Promise<Parameter> => store.read(name, stop ? { signal: stop } : {})
  const entries = new Map<string, Entry>()
  for (const name of store.names()) {
    const renamed = rename(name)
    if (renamed === undefined) continue
    const from = source(name)
    const [before, own] = [store.info(from), cuts.get(from)]
    const cutTree = async (): Promise<ParameterInfo> => infoOf(cutParameter(from, await read(from, signal), own))
    const info = own === undefined ? before : before.codec === undefined ? denseInfo(before, own) : await cutTree()
    entries.set(renamed, { name: from, cuts: own, info })
  }
  return storeOver(entries, {
    info: ({ info }) => info,
    read: async ({ name, cuts: own }, _renamed, stop) => cutParameter(name, await read(name, stop), own),
    outline: ({ name, cuts: own }) => (own === undefined ? store.outline?.(name) : undefined),
    ...(store.close ? { close: () => store.close!() } : {}),
  })
}
