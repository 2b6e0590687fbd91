import * as tf from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { badFile } from './tfjs-errors.js'

/** Every setting of a layer that says how a weight begins. */
const INITIALIZERS = ['kernel', 'bias', 'depthwise', 'pointwise', 'recurrent', 'embeddings', 'alpha', 'beta', 'gamma', 'moving_mean', 'moving_variance'] // prettier-ignore

const withInitializers = (value: unknown, initializers: Readonly<Record<string, object>>): unknown => {
  if (Array.isArray(value)) return value.map(each => withInitializers(each, initializers))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withInitializers(each, initializers)]))
  const isLayer = typeof (copy.class_name ?? copy.className) === 'string' && typeof copy.config === 'object' && !Array.isArray(copy.config)
  return isLayer ? { ...copy, config: { ...(copy.config as object), ...initializers } } : copy
}

/** What a topology is loaded with in place of its random weights. */
export interface Zeros {
  /** The topology whose layers begin with zeros. */
  readonly topology: object
  /** Disposes the variables that were made, and forgets the initializer. */
  dispose(): void
}

let loads = 0 // initializers are registered by name for the whole process, so each load has a name of its own

/**
 * Has all layers of a topology begin with zeros, since their weights are lent to them anyway: random numbers of millions of weights take
 * seconds. A weight of more numbers than the file has in all throws BAD_FILE before anything is made.
 */
export const beginWithZeros = (topology: object, most: number): Zeros => {
  const className = `TersorZeros${loads++}`
  const made = new Set<object>()
  const apply = (shape: number[], dtype?: tf.DataType): tf.Tensor => {
    const size = sizeOf(shape)
    if (!(size <= most)) throw badFile(`A layer has a weight [${shape.join(', ')}], and the file holds ${most} numbers in all.`)
    const zeros = tf.zeros(shape, dtype)
    made.add(zeros.dataId)
    return zeros
  }
  const initializer = { className, fromConfig: () => ({ apply }) }
  tf.serialization.registerClass(initializer as unknown as tf.serialization.SerializableConstructor<tf.serialization.Serializable>)
  const config = Object.fromEntries(INITIALIZERS.map(name => [`${name}_initializer`, { class_name: className, config: {} }]))
  return {
    topology: withInitializers(topology, config) as object,
    dispose: () => {
      delete tf.serialization.SerializationMap.getMap().classNameMap[className]
      for (const variable of Object.values(tf.engine().state.registeredVariables)) if (made.has(variable.dataId)) variable.dispose()
    },
  }
}
