import * as tf from '@tensorflow/tfjs-core'
import type { Parameter } from '@tersor/tensor'
import { decodeOnThreads } from './decode-finite.js'

/** Decoded parameters by name, each read and decoded when it is first loaded. */
export const decodedParameters = (read: (name: string) => Promise<Parameter>, signal?: AbortSignal) => {
  const tensors = new Map<string, tf.Tensor>()
  return {
    load: async (names: readonly string[]): Promise<void> => {
      for (const name of names) {
        if (tensors.has(name)) continue
        signal?.throwIfAborted()
        tensors.set(name, tf.keep(await decodeOnThreads(await read(name), signal ? { signal } : {})))
      }
    },
    loaded: (name: string): tf.Tensor | undefined => tensors.get(name),
    weights: (name: string): tf.Tensor => {
      const tensor = tensors.get(name)
      if (!tensor) throw new Error(`The stage asked for "${name}", which its list of parameters lacks.`)
      return tensor
    },
    forget: (name: string): void => {
      tensors.get(name)?.dispose()
      tensors.delete(name)
    },
    dispose: (): void => tensors.forEach(tensor => tensor.dispose()),
  }
}
