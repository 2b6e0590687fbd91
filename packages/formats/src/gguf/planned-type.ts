import { sizeOf, type Shape } from '@tersor/tensor'
import { attentionOf, expertCount } from './config.js'
import { toGgufPlace } from './names.js'
import type { GgufSinkOptions } from './sink-options.js'
import { fitting, type MatrixTypeName } from './store-tensor.js'
import { typeInMixture } from './tables/mixtures.js'
import { TENSOR_TYPES, type TensorTypeName } from './tables/tensor-types.js'

/** Routers: llama.cpp wants them unrounded, since a wrong choice costs more than their bytes. */
export const ROUTER = /\.ffn_gate_inp(_shexp)?\.weight$/

/** What a matrix becomes, by its name in the file. */
export const typeOf = (
  { type, mixture, config, imatrix }: Pick<GgufSinkOptions, 'type' | 'mixture' | 'config' | 'imatrix'>,
  ggufName: string,
): MatrixTypeName | undefined => {
  if (mixture === undefined) return type
  const { heads, keyHeads } = attentionOf(config)
  const place = {
    layers: config.num_hidden_layers as number,
    group: heads / keyHeads,
    weighed: imatrix !== undefined,
    experts: expertCount(config),
  }
  return typeInMixture(mixture, ggufName, config.tie_word_embeddings === true, place)
}

/** What a parameter of the hub's name will be stored as in a file of one type or mixture, and its bytes. Throws UNSUPPORTED for a name without place. */
export const plannedTensor = (
  options: Pick<GgufSinkOptions, 'type' | 'mixture' | 'config' | 'imatrix'>,
  name: string,
  shape: Shape,
): { readonly type: TensorTypeName; readonly bytes: number } => {
  const place = toGgufPlace(name, expertCount(options.config) > 0)
  const wanted = shape.length < 2 || ROUTER.test(place.name) ? 'f32' : (typeOf(options, place.name) ?? 'f16')
  const type = fitting(wanted, shape[shape.length - 1])
  const { block, bytes } = TENSOR_TYPES[type]
  return { type, bytes: (sizeOf(shape) / block) * bytes }
}
