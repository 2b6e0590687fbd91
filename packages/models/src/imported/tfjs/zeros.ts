import * as tf from '@tensorflow/tfjs-core'
import { sizeOf } from '@tersor/tensor'
import { badFile } from './errors.js'

/** The settings of a layer that say how its weights begin, and the name that a config gives each. */
const RECURRENT = ['kernel', 'recurrent', 'bias']
const CONVOLUTION = ['kernel', 'bias']

/** Which a class takes, so that one that leaves them out begins with zeros too; tfjs refuses those that a class does not know. */
const INITIALIZERS: Readonly<Record<string, readonly string[]>> = {
  Dense: CONVOLUTION,
  Conv1D: CONVOLUTION,
  Conv2D: CONVOLUTION,
  Conv3D: CONVOLUTION,
  Conv2DTranspose: CONVOLUTION,
  Conv3DTranspose: CONVOLUTION,
  DepthwiseConv2D: ['depthwise', 'bias'],
  SeparableConv2D: ['depthwise', 'pointwise', 'bias'],
  SimpleRNN: RECURRENT,
  GRU: RECURRENT,
  LSTM: RECURRENT,
  ConvLSTM2D: RECURRENT,
  SimpleRNNCell: RECURRENT,
  GRUCell: RECURRENT,
  LSTMCell: RECURRENT,
  ConvLSTM2DCell: RECURRENT,
  Embedding: ['embeddings'],
  PReLU: ['alpha'],
  BatchNormalization: ['beta', 'gamma', 'moving_mean', 'moving_variance'],
  LayerNormalization: ['beta', 'gamma'],
}

type Json = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The settings of a layer's config that say how weights begin: those of its class, and those that it has. */
const settingsOf = (className: string, config: Json): readonly string[] => {
  const own = Object.hasOwn(INITIALIZERS, className) ? INITIALIZERS[className].map(name => `${name}_initializer`) : []
  return [...new Set([...own, ...Object.keys(config).filter(key => /_initializer$/.test(key))])]
}

const withInitializer = (value: unknown, initializer: object): unknown => {
  if (Array.isArray(value)) return value.map(each => withInitializer(each, initializer))
  if (!isRecord(value)) return value
  const copy = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withInitializer(each, initializer)]))
  const className = copy.class_name ?? copy.className
  if (typeof className !== 'string' || !isRecord(copy.config)) return copy
  const begun = settingsOf(className, copy.config).map(setting => [setting, initializer])
  const plain = 'unit_forget_bias' in copy.config ? { unit_forget_bias: false } : {} // ones within a bias of zeros: no other meaning
  return { ...copy, config: { ...copy.config, ...Object.fromEntries(begun), ...plain } }
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
  tf.serialization.registerClass(
    class extends tf.serialization.Serializable {
      static readonly className = className
      readonly apply = apply
      getConfig = () => ({})
    },
  )
  return {
    topology: withInitializer(topology, { class_name: className, config: {} }) as object,
    dispose: () => {
      delete tf.serialization.SerializationMap.getMap().classNameMap[className]
      for (const variable of Object.values(tf.engine().state.registeredVariables)) if (made.has(variable.dataId)) variable.dispose()
    },
  }
}
