import * as tf from '@tensorflow/tfjs-core'
import type { LayersModel } from '@tensorflow/tfjs-layers'
import { modelOf } from './couplings/layers/config.js'

const inCamels = (text: string): string =>
  text.length <= 1 ? text : text.replace(/_+(\w|$)/g, (_, letter: string) => letter.toUpperCase())

/** Lists that begin with the name of a layer, which is nobody's to change. */
const NAMING: ReadonlySet<string> = new Set(['inboundNodes', 'inputLayers', 'outputLayers'])

/** Keys and words of a topology as tfjs writes them in its own code; names of layers stay as they are. */
const inTfjsWords = (value: unknown, key = ''): unknown => {
  if (typeof value === 'string') return inCamels(value)
  if (Array.isArray(value))
    return value.map((each, i) => (i === 0 && NAMING.has(key) && typeof each === 'string' ? each : inTfjsWords(each, key)))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const own = inCamels(name)
      return [own, name === 'name' && typeof each === 'string' ? each : inTfjsWords(each, own)] as const
    }),
  )
}

/** Makes the layers of a topology at once, where `loadLayersModel` has a promise between: one that it took before, with other numbers. */
export const madeLayers = (topology: object): LayersModel => {
  const { className, config } = modelOf(topology)!
  const [cls, fromConfig] = tf.serialization.SerializationMap.getMap().classNameMap[className]
  return fromConfig(cls, inTfjsWords(config) as tf.serialization.ConfigDict) as unknown as LayersModel
}
