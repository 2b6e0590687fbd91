import type { ParameterStore } from '@tersor/tensor'

/** How the names of a family begin, and by which tensor that is seen. */
interface Naming {
  readonly usual: string
  /** A tensor that every checkpoint has. */
  readonly probe: string
  /** Beginnings of what stands beside the base model and never has its prefix. */
  readonly beside: readonly string[]
}

const LANGUAGE: Naming = { usual: 'model.', probe: 'embed_tokens.weight', beside: ['lm_head.'] }

/** By `model_type`; the rest are language models of the Llama family. GPT-2 goes by its own. */
const NAMINGS: Readonly<Record<string, Naming | null>> = {
  bert: { usual: 'bert.', probe: 'embeddings.word_embeddings.weight', beside: ['classifier.', 'cls.'] },
  vit: { usual: 'vit.', probe: 'embeddings.cls_token', beside: ['classifier.'] },
  gpt2: null,
}

export interface NamedStore {
  /** With the names that the network asks for. */
  readonly params: ParameterStore
  /** The name that the file has for one of these. */
  readonly storedName: (name: string) => string
}

const same = (name: string): string => name

/** A store under other names; `outer` gives the name that is shown for one of the store's own. */
const renamed = (params: ParameterStore, outer: ReadonlyMap<string, string>): ParameterStore => {
  const inner = new Map([...outer].map(([own, shown]) => [shown, own] as const))
  const find = (name: string): string => inner.get(name) ?? name
  return Object.freeze({
    names: () => [...outer.values()],
    info: (name: string) => params.info(find(name)),
    read: (name: string, options?: Parameters<ParameterStore['read']>[1]) => params.read(find(name), options),
    ...(params.outline ? { outline: (name: string) => params.outline!(find(name)) } : {}),
    close: async () => params.close?.(),
  })
}

/**
 * Shows a checkpoint under the names of its network: a base model that was saved alone lacks the prefix ("model.", "bert.", "vit."),
 * a part of a larger one has another before it.
 */
export const withUsualNames = (params: ParameterStore, modelType: unknown): NamedStore => {
  const naming = typeof modelType === 'string' && Object.hasOwn(NAMINGS, modelType) ? NAMINGS[modelType] : LANGUAGE
  const names = params.names()
  if (naming === null || names.includes(naming.usual + naming.probe)) return { params, storedName: same }
  const found = names.filter(name => name === naming.probe || name.endsWith(`.${naming.probe}`))
  if (found.length !== 1) return { params, storedName: same }
  const prefix = found[0].slice(0, -naming.probe.length)
  const outside = prefix.endsWith(naming.usual) ? prefix.slice(0, -naming.usual.length) : undefined
  const shownFor = (name: string): string => {
    if (outside !== undefined) return name.startsWith(outside) ? name.slice(outside.length) : name
    const isBeside = naming.beside.some(start => name.startsWith(start))
    return name.startsWith(prefix) && !isBeside ? naming.usual + name.slice(prefix.length) : name
  }
  const outer = new Map(names.map(name => [name, shownFor(name)] as const))
  if (new Set(outer.values()).size < names.length) return { params, storedName: same }
  const storedName = (name: string): string => {
    if (outside !== undefined) return outside + name
    return name.startsWith(naming.usual) ? prefix + name.slice(naming.usual.length) : name
  }
  return { params: renamed(params, outer), storedName }
}

/** A store that does not show some of its parameters. */
export const withoutNames = (params: ParameterStore, hidden: ReadonlySet<string>): ParameterStore =>
  Object.freeze({ ...params, names: () => params.names().filter(name => !hidden.has(name)) })
