import type { Dense, Encoded } from '@tersor/tensor'
import type { Json } from '../json-text.js'
import type { Misfit } from '../misfit.js'

/** The tensors that stand for a linear layer's weight, by what follows its name. */
export interface StoredLinear {
  readonly tensors: Readonly<Record<string, Dense>>
  /** What config.json says of it; layouts that know one scheme only refuse a second. */
  readonly scheme: Scheme
}

/** How a layer is quantized, in the words of the configs. */
export interface Scheme {
  readonly bits: number
  readonly group: number
  /** Whether a group is a whole row. */
  readonly whole: boolean
  readonly symmetric: boolean
  /** Where codes are floats: what shares a scale, and how scales are stored where not as the model's floats are. */
  readonly float?: { readonly strategy: string; readonly scale?: string }
}

/** The group size that a config says for some layers: −1 where all have one group a row. */
export const groupOf = (schemes: readonly Scheme[]): number =>
  schemes.every(({ whole }) => whole) ? -1 : (schemes.find(({ whole }) => !whole)?.group ?? -1)

/** How one family of runtimes stores quantized linear layers in a Hugging Face folder. */
export interface Layout {
  /** In errors, such as "GPTQ". */
  readonly title: string
  /** The tensors of a weight, or why it has none. */
  readonly store: (tree: Encoded) => StoredLinear | Misfit
  /** `quantization_config`, from the schemes of the layers by name. */
  readonly config: (layers: ReadonlyMap<string, Scheme>) => Json
  /** Whether layers may be quantized differently. */
  readonly mixed: boolean
  /** Files besides, such as quantize_config.json. */
  readonly files?: (quantization: Json) => Readonly<Record<string, Json>>
}
