import { CompressionError, finiteRange, finiteRangeOfBf16 } from '@tersor/tensor'
import { contentOf, type BlockContent, type BlockFormat } from './blocks/block-format.js'
import { IQ4_NL, IQ4_XS } from './blocks/iq4.js'
import { MXFP4 } from './blocks/mxfp4.js'
import { Q2_K } from './blocks/q2-k.js'
import { Q3_K } from './blocks/q3-k.js'
import { Q4_K, Q5_K } from './blocks/q4-q5-k.js'
import { Q6_K } from './blocks/q6-k.js'
import { Q4_1, Q5_1 } from './blocks/ranged.js'
import { Q4_0, Q5_0, Q8_0 } from './blocks/symmetric.js'
import { blockJob } from './blocks/block-job.js'
import { runRows, runRowsHere, type RunRowsOptions } from './pool.js'

export type { BlockContent, BlockFormat } from './blocks/block-format.js'
export { encodeIq4NlReference, IQ4_LEVELS } from './blocks/iq4.js'

/** ggml's block types: a new one is a row here, a file in blocks/ and a row in the tables of GGUF and of trees. */
export const BLOCK_TYPES = Object.freeze({
  q4_0: Q4_0,
  q4_1: Q4_1,
  q5_0: Q5_0,
  q5_1: Q5_1,
  q8_0: Q8_0,
  q2_k: Q2_K,
  q3_k: Q3_K,
  q4_k: Q4_K,
  q5_k: Q5_K,
  q6_k: Q6_K,
  iq4_nl: IQ4_NL,
  iq4_xs: IQ4_XS,
  mxfp4: MXFP4,
}) satisfies Readonly<Record<string, BlockFormat>>

export type BlockTypeName = keyof typeof BLOCK_TYPES

/** What llama.cpp takes where rows do not fill the super-blocks of a type: the nearest type with blocks of 32. */
const SMALLER_BLOCKS: Partial<Record<BlockTypeName, BlockTypeName>> = {
  q2_k: 'iq4_nl',
  q3_k: 'iq4_nl',
  iq4_xs: 'iq4_nl',
  q4_k: 'q5_0',
  q5_k: 'q5_1',
  q6_k: 'q8_0',
}

/** The type whose blocks rows of so many columns fill, as llama.cpp chooses it; where none does, the one of blocks of 32. */
export const blockTypeFor = (type: BlockTypeName, columns: number): BlockTypeName =>
  columns % BLOCK_TYPES[type].block === 0 ? type : (SMALLER_BLOCKS[type] ?? type)

const checkLength = (type: BlockTypeName, length: number, unit: number, what: string): void => {
  if (length % unit === 0) return
  throw new CompressionError('SHAPE', `${type} takes a multiple of ${unit} ${what}, got ${length}.`, 'Pass whole rows of a tensor.', {
    type,
    length,
  })
}

export interface EncodeOptions {
  /** A weight for each column, as an importance matrix holds them: `values` are then rows of so many columns. */
  readonly importance?: Float32Array
  /** The largest magnitude, where somebody has looked at all values and found them finite: it is not done again then. */
  readonly largest?: number | undefined
}

const checkImportance = (type: BlockTypeName, length: number, block: number, importance: Float32Array): void => {
  const columns = importance.length
  if (columns > 0 && columns % block === 0 && length % columns === 0) return
  throw new CompressionError(
    'SHAPE',
    `${length} values of ${type} are no rows of ${columns} columns in whole blocks of ${block}.`,
    'Pass one weight for each column of the tensor.',
    { type, length, columns },
  )
}

const notFinite = (what: string, at: number, fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('NOT_FINITE', `${what} at ${at}.`, 'Look for NaN, infinite or absurdly large numbers in it.', { ...fields, at })

/** The largest number of f16, in which most types keep their scales. */
const LARGEST_HALF = 65504

/** Whether blocks say more of the values than zeros would: scales beyond f16 and squares beyond f32 leave infinities or nothing. */
const holds = (decoded: Float32Array, values: Float32Array): boolean => {
  let [error, size] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    error += (decoded[i] - values[i]) ** 2
    size += values[i] ** 2
  }
  return error < size
}

/** Numbers that f16 holds have scales that f16 holds. */
const checkScales = (type: BlockTypeName, bytes: Uint8Array, values: Float32Array | Uint16Array, largest: number): void => {
  if (largest <= LARGEST_HALF || holds(BLOCK_TYPES[type].decode(bytes), widened(values))) return
  throw new CompressionError(
    'NOT_FINITE',
    `The scales of ${type} have no room for numbers up to ${largest.toPrecision(3)}.`,
    'Store these values as f32 or bf16.',
    { type, largest },
  )
}

const checkWeights = (importance: Float32Array): void => {
  const at = importance.findIndex(weight => !(weight >= 0 && weight < Infinity))
  if (at >= 0) throw notFinite(`The importance is ${importance[at]}`, at, { value: importance[at] })
}

/** Checks everything that blocks rely on, of values in float32 or the codes of bf16; gives the largest magnitude. */
const checkValues = (type: BlockTypeName, given: Float32Array | Uint16Array, { importance, largest: known }: EncodeOptions): number => {
  const { block } = BLOCK_TYPES[type]
  checkLength(type, given.length, block, 'values')
  if (importance) {
    checkImportance(type, given.length, block, importance)
    checkWeights(importance)
  }
  if (known !== undefined) return known
  const { bad, largest } = given instanceof Uint16Array ? finiteRangeOfBf16(given) : finiteRange(given)
  if (bad < 0) return largest
  const [value] = widened(given.subarray(bad, bad + 1))
  throw notFinite(`${type} got ${value}`, bad, { type, value })
}

/**
 * Quantizes values to blocks, byte for byte as ggml_quantize_chunk does, with importance as it does with an importance matrix
 * (q8_0 and mxfp4 ignore it), on this thread. Throws SHAPE for an incomplete block or row, NOT_FINITE for values or importance that are no numbers (or less
 * than none) and for values whose scales no half holds.
 */
export const encodeBlocks = (type: BlockTypeName, values: Float32Array, options: EncodeOptions = {}): Uint8Array => {
  const { importance } = options
  const largest = checkValues(type, values, options)
  const format = BLOCK_TYPES[type]
  const work = blockJob(type, format, values, importance)
  if (work) runRowsHere(work.job)
  const bytes = work ? work.bytes : format.encode(values, importance)
  checkScales(type, bytes, values, largest)
  return bytes
}

/**
 * Quantizes values, float32 or the codes of bf16, to the same blocks on all threads of `runRows`; `into` bytes of the caller where given.
 * Throws what `encodeBlocks` throws, the signal's reason, and what `runRows` throws.
 */
export const quantizeBlocks = async (
  type: BlockTypeName,
  values: Float32Array | Uint16Array,
  options: EncodeOptions & RunRowsOptions & { readonly into?: Uint8Array } = {},
): Promise<Uint8Array> => {
  const { importance, signal, into } = options
  const largest = checkValues(type, values, options)
  const format = BLOCK_TYPES[type]
  const work = blockJob(type, format, values, importance, into)
  if (work) await runRows(work.job, { signal })
  const bytes = work ? work.bytes : format.encode(widened(values), importance)
  checkScales(type, bytes, values, largest)
  if (into && bytes !== into) into.set(bytes)
  return into ?? bytes
}

const widened = (codes: Float32Array | Uint16Array): Float32Array => {
  if (codes instanceof Float32Array) return codes
  const bits = new Uint32Array(codes.length)
  for (let i = 0; i < codes.length; i++) bits[i] = codes[i] << 16
  return new Float32Array(bits.buffer)
}

/** The values of blocks; throws SHAPE for an incomplete block. */
export const decodeBlocks = (type: BlockTypeName, blocks: Uint8Array): Float32Array => {
  const format = BLOCK_TYPES[type]
  checkLength(type, blocks.length, format.bytes, 'bytes')
  return format.decode(blocks)
}

/** Codes and scales of blocks, each by itself; throws SHAPE for an incomplete block. */
export const unpackBlocks = (type: BlockTypeName, blocks: Uint8Array): BlockContent => {
  const format: BlockFormat = BLOCK_TYPES[type]
  checkLength(type, blocks.length, format.bytes, 'bytes')
  const content = contentOf(format, blocks.length / format.bytes)
  for (let at = 0, index = 0; at < blocks.length; at += format.bytes, index++) format.unpack(blocks, at, content, index)
  return content
}

/** The blocks of such content; throws SHAPE for an incomplete block. */
export const packBlocks = (type: BlockTypeName, content: BlockContent): Uint8Array => {
  const format: BlockFormat = BLOCK_TYPES[type]
  checkLength(type, content.codes.length, format.block, 'codes')
  const bytes = new Uint8Array((content.codes.length / format.block) * format.bytes)
  for (let at = 0, index = 0; at < bytes.length; at += format.bytes, index++) format.pack(content, index, bytes, at)
  return bytes
}
