import * as tf from '@tensorflow/tfjs-core'
import type { PackedMatrix } from '@tersor/kernels/packed-matrix'
import { packedProduct, type PackedProduct, type PackedProductOptions } from '@tersor/kernels/packed-product'
import { DTYPES, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import { affine } from '../codecs/affine.js'
import { decode } from './decode.js'
import type { LoadedWeights } from './load.js'
import { sitesOf, type Model, type Product } from './model.js'

export interface LoadPackedOptions extends PackedProductOptions {
  readonly signal?: AbortSignal
}

/** Weights of which some take part in products only. */
export interface LoadedPacked extends LoadedWeights {
  readonly product: Product
  /** Names of the weights that stay packed. */
  readonly packed: readonly string[]
}

const asBytes = (leaf: Dense): Uint8Array => Uint8Array.from(toInt32(leaf))

/** The matrix that an affine tree is; undefined for other trees, and where one scale is shared by all rows. */
const matrixOf = (parameter: Parameter): PackedMatrix | undefined => {
  if (parameter.kind === 'dense' || parameter.codec.name !== affine.name || parameter.shape.length !== 2) return undefined
  const { data, scale, zero } = parameter.parts
  const [rows, columns] = parameter.shape
  const plain = [data, scale, ...(zero ? [zero] : [])].every(part => part.kind === 'dense')
  if (zero && DTYPES[(zero as Dense).dtype]?.kind === 'float') return undefined // kernels take whole zeros
  if (!plain || scale.shape[0] !== rows || DTYPES[(data as Dense).dtype].kind !== 'unsigned') return undefined
  return {
    ...{ rows, columns, bits: parameter.attrs.bits as number, group: parameter.attrs.group as number },
    codes: (data as Dense).bytes,
    scales: toFloat32(scale as Dense),
    ...(zero && { zeros: asBytes(zero as Dense) }),
  }
}

/** Weights that only linear layers ask for: an embedding's rows are looked up, which takes them unpacked. */
const linearOnly = (model: Model): ReadonlySet<string> => {
  const sites = sitesOf(model)
  const others = new Set(sites.filter(site => site.kind !== 'linear').map(site => site.weight))
  return new Set(sites.map(site => site.weight).filter(weight => !others.has(weight)))
}

/**
 * Loads every parameter of a model for inference: matrices of linear layers that are affine trees (of rtn and gptq, or of a GGUF file)
 * stay packed where the engine multiplies such matrices; the others are decoded, and so is a packed one where a stage asks for the weight
 * itself, as imported graphs do. Throws NOT_FOUND for a name the store lacks.
 */
export const loadPacked = async (model: Model, { signal, activations }: LoadPackedOptions = {}): Promise<LoadedPacked> => {
  const dense = new Map<string, tf.Tensor>()
  const packed = new Map<string, { readonly product: PackedProduct; readonly parameter: Parameter }>()
  const dispose = (): void => {
    dense.forEach(tensor => tensor.dispose())
    packed.forEach(({ product }) => product.dispose())
  }
  const linear = linearOnly(model)
  const load = async (name: string): Promise<void> => {
    const parameter = await model.params.read(name, signal ? { signal } : {})
    const matrix = linear.has(name) ? matrixOf(parameter) : undefined
    const product = matrix && packedProduct(matrix, activations ? { activations } : {})
    if (product) packed.set(name, { product, parameter })
    else dense.set(name, tf.keep(decode(parameter)))
  }
  try {
    for (const name of new Set(model.stages.flatMap(stage => stage.parameters))) {
      signal?.throwIfAborted()
      await load(name)
    }
  } catch (error) {
    dispose()
    throw error
  }
  const weights = (name: string): tf.Tensor => {
    const tensor = dense.get(name)
    if (tensor) return tensor
    const asked = packed.get(name)
    if (!asked) throw new Error(`The stage asked for "${name}", which its list of parameters lacks.`)
    const decoded = tf.keep(decode(asked.parameter))
    dense.set(name, decoded)
    return decoded
  }
  const product: Product = ({ site, input }) => packed.get(site.weight)?.product.multiply(input as tf.Tensor2D)
  return { weights, product, packed: [...packed.keys()], dispose }
}
