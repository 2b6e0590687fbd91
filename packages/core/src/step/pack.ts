import { gatherKept } from '@tersor/kernels/gather-kept'
import { packCodes } from '@tersor/kernels/pack-codes'
import type { RunRowsOptions } from '@tersor/kernels/pool'
import { codesOf, dense, DTYPES, encoded, sizeOf, toFloat32, toInt32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affine, affineOf } from '../codecs/affine.js'
import { bitmaskOf } from '../codecs/bitmask.js'
import { masked } from '../codecs/masked.js'
import { definePass } from './define-method.js'
import { walkStages } from '../run/walk.js'

/** How many flags of a byte are set. */
const SET = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

/** How many of some flags are set, one bit each. */
const countOf = (flags: Uint8Array, start: number, end: number): number => {
  let count = 0
  let at = start
  for (; at < end && (at & 7) !== 0; at++) count += (flags[at >> 3] >> (at & 7)) & 1
  for (; at + 8 <= end; at += 8) count += SET[flags[at >> 3]]
  for (; at < end; at++) count += (flags[at >> 3] >> (at & 7)) & 1
  return count
}

/** How many each run of a mask keeps, where all keep the same; `run` columns, the last of a row may be shorter. */
const keptOfEach = ({ bytes, shape: [rows, columns] }: Dense, run: number): number | undefined => {
  let common: number | undefined
  for (let row = 0; row < rows * columns; row += columns) {
    for (let start = row; start < row + columns; start += run) {
      const kept = countOf(bytes, start, Math.min(start + run, row + columns))
      if (kept !== (common ??= kept)) return undefined
    }
  }
  return common
}

/** What a mask keeps of a tensor, one element after the other, as it is. */
const gatherDense = async (values: Dense, mask: Dense, shape: readonly number[], options: RunRowsOptions): Promise<Dense> => {
  const { bits } = DTYPES[values.dtype]
  if (bits >= 8) return dense(values.dtype, shape, await gatherKept(values.bytes, bits / 8, mask.bytes, options))
  const codes = await gatherKept(codesOf(values), 1, mask.bytes, options)
  return dense(values.dtype, shape, await packCodes(codes, bits, options))
}

const packAffine = async (tree: Encoded, mask: Dense, width: number, options: RunRowsOptions): Promise<Encoded | undefined> => {
  const { bits, group } = tree.attrs as { bits: number; group: number }
  const { data, scale, zero } = tree.parts
  const kept = keptOfEach(mask, group)
  const zeros = zero as Dense | undefined
  if (!kept || data.kind === 'encoded' || scale.kind === 'encoded') return undefined
  const shape = [tree.shape[0], width]
  return affineOf({
    ...{ shape, bits, group: kept, codes: await gatherDense(data, mask, shape, options) },
    scales: toFloat32(scale),
    scaleDType: scale.dtype === 'f16' ? 'f16' : 'f32',
    ...(zeros ? { zeros: DTYPES[zeros.dtype].kind === 'float' ? toFloat32(zeros) : toInt32(zeros) } : {}),
  })
}

/**
 * Unstructured masks over symmetric codes: kept codes one after the other, the middle code elsewhere.
 * Every row is stored as one long row, so that counts need not agree.
 */
const packUneven = async (values: Parameter, mask: Dense, options: RunRowsOptions): Promise<Parameter | undefined> => {
  const kept = values.kind === 'dense' ? countOf(mask.bytes, 0, sizeOf(mask.shape)) : 0
  return values.kind === 'dense' && kept > 0 ? gatherDense(values, mask, [1, kept], options) : undefined
}

/** What is stored of a matrix whose rows keep the same count; undefined where its form cannot be cut to that. */
const packEven = async (values: Parameter, mask: Dense, options: RunRowsOptions): Promise<Parameter | undefined> => {
  const width = mask.shape.length === 2 ? keptOfEach(mask, mask.shape[1]) : undefined
  if (!width) return undefined
  if (values.kind === 'dense') return gatherDense(values, mask, [mask.shape[0], width], options)
  return values.codec.name === affine.name ? packAffine(values, mask, width, options) : undefined
}

const packMasked = async (tree: Encoded, options: RunRowsOptions): Promise<Parameter> => {
  const values = await packTree(tree.parts.values, options)
  const mask = tree.parts.mask as Dense
  const kept = (await packEven(values, mask, options)) ?? (await packUneven(values, mask, options))
  if (kept) return bitmaskOf(mask, tree.shape, kept)
  return values === tree.parts.values ? tree : encoded(masked, tree.shape, { mask, values })
}

/** Packs every mask of a tree that can be packed; the decoded tensor is the same. A tree without masks is given back itself. */
export const packTree = async (parameter: Parameter, options: RunRowsOptions = {}): Promise<Parameter> => {
  if (parameter.kind === 'dense') return parameter
  if (parameter.codec.name === masked.name) return packMasked(parameter, options)
  const parts: Record<string, Parameter> = {}
  for (const [name, part] of Object.entries(parameter.parts)) parts[name] = await packTree(part, options)
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
        const packed = await packTree(parameter, { signal: context.signal })
        if (packed !== parameter) replace(name, packed)
      }
    }),
})
