import type { DType, Shape } from './dtype.js'
import { CompressionError } from './errors.js'
import type { Outline } from './outline.js'
import { byteLength, type Parameter } from './parameter.js'

/** What is known of a parameter before its bytes are read. */
export interface ParameterInfo {
  readonly shape: Shape
  readonly byteLength: number
  /** Of a dense parameter. */
  readonly dtype?: DType
  /** The name of the outermost codec of an encoded one. */
  readonly codec?: string
  /** What the file calls the way it stores it, where reading gives another dtype: block types of GGUF that come decoded. */
  readonly storedAs?: string
}

export interface ReadOptions {
  readonly signal?: AbortSignal
}

/** Parameters by name; only the header is in memory until `read`. */
export interface ParameterStore {
  names(): readonly string[]
  info(name: string): ParameterInfo
  read(name: string, options?: ReadOptions): Promise<Parameter>
  /** The same without its bytes, where a store can tell: what a sink copies without having it in memory. */
  outline?(name: string): Outline | undefined
  /** Releases what the store holds open; a closed store is not read again. */
  close?(): Promise<void>
}

/** Takes parameters in any order and becomes a store. */
export interface ParameterSink {
  write(name: string, parameter: Parameter): Promise<void>
  /** Takes a parameter by its outline, whose store stays open until the sink is finished or aborted. */
  copy?(name: string, outline: Outline): Promise<void>
  finish(): Promise<ParameterStore>
  /** Throws away what was written. */
  abort(): Promise<void>
}

/** A name from a file, fit for one line of an error. */
const shown = (name: string): string => {
  const short = name.length > 200 ? `${name.slice(0, 200)}…` : name
  return /[\p{Cc}\u2028\u2029]/u.test(short)
    ? JSON.stringify(short)
        .slice(1, -1)
        .replace(/[\u007f-\u009f\u2028\u2029]/gu, ' ')
    : short
}

/** The error of a name that a store does not hold. */
export const notFound = (name: string, names: readonly string[]): CompressionError =>
  new CompressionError(
    'NOT_FOUND',
    `No parameter is called "${shown(name)}".`,
    names.length === 0 ? 'The store is empty.' : `The store holds ${names.length}, among them ${names.slice(0, 3).map(shown).join(', ')}.`,
    { name },
  )

export const infoOf = (parameter: Parameter): ParameterInfo => ({
  shape: parameter.shape,
  byteLength: byteLength(parameter),
  ...(parameter.kind === 'dense' ? { dtype: parameter.dtype } : { codec: parameter.codec.name }),
})

/** What a store knows of its entries. */
export interface StoredEntries<E> {
  info(entry: E): ParameterInfo
  read(entry: E, name: string, signal?: AbortSignal): Promise<Parameter>
  outline?(entry: E): Outline | undefined
  /** A better error than NOT_FOUND for a name that is none of the entries. */
  refusal?(name: string): CompressionError | undefined
  close?(): Promise<void>
}

/** A store over entries by name, in their order; `info` and `read` throw NOT_FOUND for any other name, `read` what the signal says. */
export const storeOver = <E>(
  entries: ReadonlyMap<string, E>,
  { info, read, outline, refusal, close }: StoredEntries<E>,
): ParameterStore => {
  const names = Object.freeze([...entries.keys()])
  const find = (name: string): E => {
    const entry = entries.get(name)
    if (entry === undefined) throw refusal?.(name) ?? notFound(name, names)
    return entry
  }
  return Object.freeze({
    names: () => names,
    info: (name: string) => info(find(name)),
    read: async (name: string, { signal }: ReadOptions = {}) => {
      signal?.throwIfAborted()
      return read(find(name), name, signal)
    },
    ...(outline ? { outline: (name: string) => outline(find(name)) } : {}),
    ...(close ? { close } : {}),
  })
}

/** A store over values that are in memory already. */
export const memoryStore = (parameters: Readonly<Record<string, Parameter>>): ParameterStore =>
  storeOver(new Map(Object.entries(parameters)), { info: infoOf, read: async parameter => parameter })

/** A sink that keeps what it is given in memory. */
export const memorySink = (): ParameterSink => {
  const written: Record<string, Parameter> = {}
  return Object.freeze({
    write: async (name: string, parameter: Parameter) => {
      written[name] = parameter
    },
    finish: async () => memoryStore({ ...written }),
    abort: async () => {
      for (const name of Object.keys(written)) delete written[name]
    },
  })
}
