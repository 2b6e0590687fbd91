import { codesOf, dense, DTYPES, encoded, fromIntegers, toFloat32, toInt32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affine, affineOf } from '../codecs/affine.js'
import { bitmaskOf } from '../codecs/bitmask.js'
import { masked } from '../codecs/masked.js'
import { definePass } from './define-method.js'
import { walkStages } from '../run/walk.js'

/** How many each run of a mask keeps, where all keep the same; `run` columns, the last of a row may be shorter. */
const keptOfEach = (mask: Uint8Array, columns: number, run: number): number | undefined => {
  let common: number | undefined
  for (let row = 0; row < mask.length; row += columns) {
    for (let start = row; start < row + columns; start += run) {
      const end = Math.min(start + run, row + columns)
      let kept = 0
      for (let i = start; i < end; i++) kept += mask[i]
      if (kept !== (common ??= kept)) return undefined
    }
  }
  return common
}

const countOf = (mask: Uint8Array): number => {
  let kept = 0
  for (let i = 0; i < mask.length; i++) kept += mask[i]
  return kept
}

/** What a mask keeps, one after the other. */
const gather = <T extends Uint8Array | Uint16Array | Uint32Array | BigUint64Array>(from: T, mask: Uint8Array, to: T): T => {
  for (let i = 0, at = 0; i < mask.length; i++) if (mask[i]) to[at++] = from[i]
  return to
}

const WORDS = { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array, 64: BigUint64Array } as const

/** The same of a tensor, its elements taken as they are. */
const gatherDense = (values: Dense, mask: Uint8Array, shape: readonly [rows: number, kept: number]): Dense => {
  const size = shape[0] * shape[1]
  const { bits } = DTYPES[values.dtype]
  const Word = WORDS[bits as 8] as Uint8ArrayConstructor | undefined
  if (!Word) return fromIntegers(gather(codesOf(values), mask, new Uint8Array(size)), values.dtype, shape)
  const bytes = values.bytes.byteOffset % Word.BYTES_PER_ELEMENT === 0 ? values.bytes : values.bytes.slice()
  const words = new Word(bytes.buffer, bytes.byteOffset, bytes.byteLength / Word.BYTES_PER_ELEMENT)
  return dense(values.dtype, shape, new Uint8Array(gather(words, mask, new Word(size)).buffer))
}

const packAffine = (tree: Encoded, mask: Uint8Array, rows: number, width: number): Encoded | undefined => {
  const { bits, group } = tree.attrs as { bits: number; group: number }
  const { data, scale, zero } = tree.parts
  const kept = keptOfEach(mask, tree.shape[1], group)
  const zeros = zero as Dense | undefined
  if (!kept || data.kind === 'encoded' || scale.kind === 'encoded') return undefined
  return affineOf({
    shape: [rows, width],
    bits,
    group: kept,
    codes: gather(codesOf(data), mask, new Uint8Array(rows * width)),
    scales: toFloat32(scale),
    scaleDType: scale.dtype === 'f16' ? 'f16' : 'f32',
    ...(zeros ? { zeros: DTYPES[zeros.dtype].kind === 'float' ? toFloat32(zeros) : toInt32(zeros) } : {}),
  })
}

/**
 * Unstructured masks over symmetric codes: kept codes one after the other, the middle code elsewhere.
 * Every row is stored as one long row, so that counts need not agree.
 */
const packUneven = (shape: readonly number[], mask: Uint8Array, values: Parameter): Encoded | undefined => {
  if (values.kind === 'encoded') return undefined
  const kept = countOf(mask)
  return kept === 0 ? undefined : bitmaskOf(mask, shape, gatherDense(values, mask, [1, kept]))
}

/** What is stored of a matrix whose rows keep the same count; undefined where its form cannot be cut to that. */
const packEven = (values: Parameter, mask: Uint8Array, rows: number, width: number): Parameter | undefined => {
  if (values.kind === 'dense') return gatherDense(values, mask, [rows, width])
  return values.codec.name === affine.name ? packAffine(values, mask, rows, width) : undefined
}

const packMasked = (tree: Encoded): Parameter => {
  const [rows, columns] = tree.shape
  const values = packTree(tree.parts.values)
  const mask = codesOf(tree.parts.mask as Dense)
  const width = tree.shape.length === 2 ? keptOfEach(mask, columns, columns) : undefined
  const even = width ? packEven(values, mask, rows, width) : undefined
  if (even) return bitmaskOf(mask, tree.shape, even)
  const isSame = values === tree.parts.values
  return packUneven(tree.shape, mask, values) ?? (isSame ? tree : encoded(masked, tree.shape, { mask: tree.parts.mask, values }))
}

/** Packs every mask of a tree that can be packed; the decoded tensor is the same. A tree without masks is given back itself. */
export const packTree = (parameter: Parameter): Parameter => {
  if (parameter.kind === 'dense') return parameter
  if (parameter.codec.name === masked.name) return packMasked(parameter)
  const parts = Object.fromEntries(Object.entries(parameter.parts).map(([name, part]) => [name, packTree(part)]))
  const isSame = Object.entries(parts).every(([name, part]) => part === parameter.parts[name])
  return isSame ? parameter : encoded(parameter.codec, parameter.shape, parts, parameter.attrs)
}

/**
 * Stores only what masks keep: the last pass before saving, since packed weights cannot be compressed again.
 * An N:M mask over a quantized matrix keeps its codes and scales; a free mask over plain weights its values;
 * a free mask over a quantized matrix stays as it is.
 */
export const pack = definePass({
  name: 'pack',
  summary: 'stores only the weights that masks keep',
  options: {},
  run: (model, context) =>
    walkStages(model, context, { pass: 'pack', others: true }, async ({ owned, params, read, replace }) => {
      for (const name of owned) {
        context.signal.throwIfAborted()
        if (params.info(name).codec === undefined) continue
        const parameter = await read(name)
        const packed = packTree(parameter)
        if (packed !== parameter) replace(name, packed)
      }
    }),
})
