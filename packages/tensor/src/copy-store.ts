import type { Parameter } from './parameter.js'
import type { ParameterSink, ParameterStore } from './store.js'

export interface CopyOptions {
  readonly signal?: AbortSignal
  /** What is written in the place of a parameter; the parameter itself where absent. */
  readonly change?: (name: string, parameter: Parameter) => Parameter | Promise<Parameter>
  readonly onProgress?: (done: number, of: number) => void
}

/**
 * Writes all parameters of a store, one in memory at a time, and gives the store they became; what nobody changes goes from file to file where
 * store and sink can. Throws the signal's reason or what reading and writing throw; the sink is then aborted.
 */
export const copyStore = async (
  store: ParameterStore,
  sink: ParameterSink,
  { signal, change, onProgress }: CopyOptions = {},
): Promise<ParameterStore> => {
  const names = store.names()
  try {
    for (const [index, name] of names.entries()) {
      signal?.throwIfAborted()
      const outline = change || !sink.copy ? undefined : store.outline?.(name)
      if (outline) await sink.copy!(name, outline)
      else {
        const parameter = await store.read(name, signal ? { signal } : {})
        await sink.write(name, change ? await change(name, parameter) : parameter)
      }
      onProgress?.(index + 1, names.length)
    }
    return await sink.finish()
  } catch (error) {
    await sink.abort()
    throw error
  }
}
