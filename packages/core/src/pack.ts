import { DTYPES, encoded, fromFloat32, toFloat32, toInt32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affine, affineOf } from './codecs/affine.js'
import { bitmaskOf } from './codecs/bitmask.js'
import { masked } from './codecs/masked.js'
import { definePass } from './define-method.js'

/** The kept columns of each row, or undefined where rows keep different counts. */
const keptColumns = (mask: Int32Array, rows: number, columns: number): Uint32Array[] | undefined => {
  const kept = Array.from({ length: rows }, (_, r) => {
    const row: number[] = []
    for (let c = 0; c < columns; c++) if (mask[r * columns + c]) row.push(c)
    return Uint32Array.from(row)
  })
  return kept.every(row => row.length === kept[0].length) ? kept : undefined
}

const gather = (values: ArrayLike<number>, kept: readonly Uint32Array[], columns: number): Float32Array => {
  const width = kept[0].length
  const result = new Float32Array(kept.length * width)
  kept.forEach((row, r) => row.forEach((c, i) => (result[r * width + i] = values[r * columns + c])))
  return result
}

const packDense = (values: Dense, kept: readonly Uint32Array[]): Dense =>
  fromFloat32(gather(toFloat32(values), kept, values.shape[1]), values.dtype, [kept.length, kept[0].length])

/** The group length among kept columns, where every group of every row keeps the same count; undefined otherwise. */
const packedGroup = (kept: readonly Uint32Array[], columns: number, group: number): number | undefined => {
  const groups = Math.ceil(columns / group)
  const counts = new Set<number>()
  for (const row of kept) {
    const perGroup = new Uint32Array(groups)
    row.forEach(c => perGroup[Math.floor(c / group)]++)
    perGroup.forEach(count => counts.add(count))
  }
  const [count] = counts
  return counts.size === 1 && count > 0 ? count : undefined
}

const packAffine = (tree: Encoded, kept: readonly Uint32Array[]): Encoded | undefined => {
  const columns = tree.shape[1]
  const { bits, group } = tree.attrs as { bits: number; group: number }
  const { data, scale, zero } = tree.parts
  const width = packedGroup(kept, columns, group)
  const zeros = zero as Dense | undefined
  if (width === undefined || data.kind === 'encoded' || scale.kind === 'encoded') return undefined
  return affineOf({
    shape: [kept.length, kept[0].length],
    bits,
    group: width,
    codes: gather(toInt32(data), kept, columns),
    scales: toFloat32(scale),
    ...(zeros ? { zeros: DTYPES[zeros.dtype].kind === 'float' ? toFloat32(zeros) : toInt32(zeros) } : {}),
  })
}

/**
 * Unstructured masks over symmetric codes: kept codes one after the other, the middle code elsewhere.
 * Every row is stored as one long row, so that counts need not agree.
 */
const packUneven = (shape: readonly number[], mask: Int32Array, values: Parameter): Encoded | undefined => {
  if (values.kind === 'encoded') return undefined
  const all = [Uint32Array.from({ length: mask.length }, (_, i) => i).filter(i => mask[i] === 1)]
  if (all[0].length === 0) return undefined
  const stored = fromFloat32(gather(toFloat32(values), all, mask.length), values.dtype, [1, all[0].length])
  return bitmaskOf(mask, shape, stored)
}

/** What is stored of a matrix whose rows keep the same count; undefined where its form cannot be cut to that. */
const packEven = (values: Parameter, kept: readonly Uint32Array[]): Parameter | undefined => {
  if (values.kind === 'dense') return packDense(values, kept)
  return values.codec.name === affine.name ? packAffine(values, kept) : undefined
}

const packMasked = (tree: Encoded): Parameter => {
  const [rows, columns] = tree.shape
  const values = packTree(tree.parts.values)
  const mask = toInt32(tree.parts.mask as Dense)
  const kept = tree.shape.length === 2 ? keptColumns(mask, rows, columns) : undefined
  const even = kept && kept[0].length > 0 ? packEven(values, kept) : undefined
  if (even) return bitmaskOf(mask, tree.shape, even)
  return packUneven(tree.shape, mask, values) ?? encoded(masked, tree.shape, { mask: tree.parts.mask, values })
}

/** Packs every mask of a tree that can be packed; the decoded tensor is the same. */
export const packTree = (parameter: Parameter): Parameter => {
  if (parameter.kind === 'dense') return parameter
  if (parameter.codec.name === masked.name) return packMasked(parameter)
  const parts = Object.fromEntries(Object.entries(parameter.parts).map(([name, part]) => [name, packTree(part)]))
  return encoded(parameter.codec, parameter.shape, parts, parameter.attrs)
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
  run: async (model, context) => {
    const out = context.sink()
    try {
      for (const name of model.params.names()) {
        context.signal.throwIfAborted()
        await out.write(name, packTree(await model.params.read(name, { signal: context.signal })))
      }
      return { ...model, params: await out.finish() }
    } catch (error) {
      await out.abort()
      throw error
    }
  },
})
