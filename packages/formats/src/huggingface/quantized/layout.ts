import type { Dense, Encoded } from '@tersor/tensor'
import type { Json } from '../../files/json-text.js'
import type { Refusal } from '../../files/refusal.js'

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
  /** Where codes are floats: what shares a scale, blocks of which size, and how scales are stored where not as the model's floats are. */
  readonly float?: { readonly strategy: string; readonly block?: readonly number[]; readonly scale?: string }
  /** How its codes stand, where a folder may hold several ways. */
  readonly format?: string
}

/** A linear layer as a step will leave it, known before any work is done. */
export interface PlannedLayer {
  readonly rows: number
  readonly columns: number
  readonly bits: number
  /** Columns that share a scale. */
  readonly group: number
  readonly symmetric: boolean
}

/** The group size that a config says for some layers: −1 where all have one group a row. */
export const groupOf = (schemes: readonly Scheme[]): number =>
  schemes.every(({ whole }) => whole) ? -1 : (schemes.find(({ whole }) => !whole)?.group ?? -1)

const HEAD = 'lm_head'

/** What loaders must leave alone: the matrices that stayed plain, and the head, which a tied model has without a weight of its own. */
export const leftAlone = (layers: ReadonlyMap<string, unknown>, plain: readonly string[]): readonly string[] =>
  layers.has(HEAD) || plain.includes(HEAD) ? plain : [...plain, HEAD]

/** How one family of runtimes stores quantized linear layers in a Hugging Face folder. */
export interface Layout {
  /** In errors, such as "GPTQ". */
  readonly title: string
  /** The tensors of a weight, or why it has none. */
  readonly store: (tree: Encoded) => StoredLinear | Refusal
  /** Why a layer on a grid would have no place; undefined where it has one. */
  readonly refuses: (layer: PlannedLayer) => Refusal | undefined
  /** `quantization_config`, from the schemes of the layers by name, and the names of the matrices that stayed plain. */
  readonly config: (layers: ReadonlyMap<string, Scheme>, plain: readonly string[]) => Json
  /** Whether layers may be quantized differently. */
  readonly mixed: boolean
  /** Files besides, such as quantize_config.json. */
  readonly files?: (quantization: Json) => Readonly<Record<string, Json>>
}
