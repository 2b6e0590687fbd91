import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, encoded, type Parameter } from '@tersor/tensor'
import { masked } from '../codecs/masked.js'
import { asMatrix, matrix, matrixOf, toMatrix } from '../codecs/matrix.js'
import { decode } from '../model/decode.js'
import type { Method } from './method.js'
import type { Site } from '../model/model.js'

/** Compresses one matrix: the method's apply with everything else bound; standing is the parameter the matrix was decoded from. */
export type Apply = (weight: tf.Tensor2D, standing: Parameter, mask: tf.Tensor2D | undefined) => Promise<Parameter>

const composition = (method: Method, site: Site, what: string, remedy: string): CompressionError =>
  new CompressionError('COMPOSITION', `${method.name} at ${site.name}: ${what}`, remedy, { method: method.name, site: site.name })

interface Place {
  /** Where the output channels stand in the tensor at this node. */
  readonly outAxis: number
  readonly mask?: Parameter
}

/**
 * Puts a method's result in the place of the payload of whatever stands at a site, or of the whole tree.
 * Throws COMPOSITION where nothing is left to compress, or where statistics of the site do not hold for the payload.
 */
export const rewrite = (
  method: Method,
  site: Site,
  current: Parameter,
  /** The decoded parameter, where it is on the engine already. */
  loaded: tf.Tensor | undefined,
  apply: Apply,
): Promise<Parameter> => {
  const leaf = async (parameter: Parameter, { outAxis, mask }: Place): Promise<Parameter> => {
    const weight = tf.tidy(() => toMatrix(loaded && parameter === current ? tf.clone(loaded) : decode(parameter), outAxis))
    const kept = mask ? (decode(mask) as tf.Tensor2D) : undefined
    try {
      return matrixOf(await apply(weight, asMatrix(parameter, outAxis), kept), outAxis, parameter.shape)
    } finally {
      tf.dispose(kept ? [weight, kept] : [weight])
    }
  }
  const walk = async (parameter: Parameter, place: Place): Promise<Parameter> => {
    if (parameter.kind === 'dense') return leaf(parameter, place)
    const { codec, parts, attrs, shape } = parameter
    if (!codec.payload) {
      throw composition(method, site, `"${codec.name}" has no part to compress again.`, 'Put this method before the one that produced it.')
    }
    if (method.calibrate && !codec.aligned) {
      throw composition(
        method,
        site,
        `its statistics do not hold for the parts of "${codec.name}".`,
        'Put this method before the one that produced it, or use one without calibration.',
      )
    }
    const below: Place = {
      outAxis: codec.name === matrix.name || !codec.aligned ? 0 : place.outAxis,
      ...(codec.name === masked.name ? { mask: parts.mask } : place.mask ? { mask: place.mask } : {}),
    }
    const rewritten: Record<string, Parameter> = { ...parts }
    for (const name of codec.payload) rewritten[name] = await walk(parts[name], below)
    return encoded(codec, shape, rewritten, attrs)
  }
  const place = { outAxis: site.outAxis }
  return method.rewrites === 'whole' ? leaf(current, place) : walk(current, place)
}
