import { CompressionError } from '@tersor/tensor'
import type { Json } from '../files/json-text.js'

/** Fields of config.json that may be lists with a number for each block, 0 where it lacks that part. */
export const BLOCK_FIELDS: readonly string[] = ['num_attention_heads', 'num_key_value_heads', 'intermediate_size']

/** What llama.cpp calls a Llama whose blocks differ. */
export const BY_BLOCK = 'deci'

/** The number of a block, or of the first one that has any; as it is where all have the same. */
export const ofBlock = (value: unknown, layer?: number): unknown =>
  Array.isArray(value)
    ? (value as readonly unknown[])[
        layer ??
          Math.max(
            0,
            value.findIndex(each => each !== 0),
          )
      ]
    : value

/** The block that a parameter of the hub's name belongs to. */
export const blockOf = (name: string): number | undefined => {
  const found = /^model\.layers\.(\d+)\./.exec(name)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** Whether blocks differ from each other. */
export const differsByBlock = (config: Json): boolean => BLOCK_FIELDS.some(field => Array.isArray(config[field]))

const refuse = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `No GGUF is written for ${what}.`,
    'llama.cpp would run another network: save it as a Hugging Face folder.',
  )

/** Lists for all fields; throws UNSUPPORTED for blocks that llama.cpp leaves something out of. */
export const blockLists = (config: Json): Readonly<Record<string, readonly number[]>> => {
  if (config.model_type !== 'llama') throw refuse(`a ${String(config.model_type)} whose blocks differ in heads or width`)
  const layers = Number(config.num_hidden_layers)
  const lists = Object.fromEntries(
    BLOCK_FIELDS.map(field => [field, Array.from({ length: layers }, (_, layer) => Number(ofBlock(config[field], layer)))]),
  )
  const [heads, , widths] = BLOCK_FIELDS.map(field => lists[field])
  const alone = heads.findIndex((count, layer) => count > 0 && widths[layer] === 0)
  if (alone >= 0) throw refuse(`a network whose block ${alone} has attention and no feed-forward network`)
  if (heads[0] === 0) throw refuse('a network whose first block has no attention') // it tells the size of heads by that block
  return lists
}
