import type { Parameter } from './parameter.js'
import type { ParameterSink, ParameterStore } from './store.js'

export interface CopyOptions {
  readonly signal?: AbortSignal
  /** What is written in the place of a parameter; the parameter itself where absent. */
  readonly change?: (name: string, parameter: Parameter) => Parameter | Promise<Parameter>
  readonly onProgress?: (done: number, of: number) => void
}

/** Reads ahead by one: what is asked for is being read already, and the one behind it begins. */
const readingAhead = ({ read }: ParameterStore, names: readonly string[], signal: AbortSignal | undefined) => {
  const begin = (index: number): Promise<Parameter> | undefined => {
    const reading = index < names.length ? read(names[index], signal ? { signal } : {}) : undefined
    reading?.catch(() => {}) // thrown where it is asked for
    return reading
  }
  let next = begin(0)
  return {
    read: async (index: number): Promise<Parameter> => {
      const parameter = await next!
      next = begin(index + 1)
      return parameter
    },
    end: async (): Promise<void> => void (await next?.catch(() => {})),
  }
}

/**
 * Writes all parameters of a store and gives the store they became. Memory holds two, one being read while the one before is written; what nobody
 * changes goes from file to file where store and sink can.
 * Throws the signal's reason or what reading and writing throw; the sink is then aborted.
 */
export const copyStore = async (
  store: ParameterStore,
  sink: ParameterSink,
  { signal, change, onProgress }: CopyOptions = {},
): Promise<ParameterStore> => {
  const names = store.names()
  const outlines = change || !sink.copy ? [] : names.map(name => store.outline?.(name))
  const reading = readingAhead(
    store,
    names.filter((_, index) => !outlines[index]),
    signal,
  )
  try {
    let read = 0
    for (const [index, name] of names.entries()) {
      signal?.throwIfAborted()
      const outline = outlines[index]
      if (outline) await sink.copy!(name, outline)
      else {
        const parameter = await reading.read(read++)
        await sink.write(name, change ? await change(name, parameter) : parameter)
      }
      onProgress?.(index + 1, names.length)
    }
    return await sink.finish()
  } catch (error) {
    await reading.end()
    await sink.abort()
    throw error
  }
}
