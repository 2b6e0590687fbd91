import { permutedOf } from '@tersor/core'
import { CompressionError, fromFloat32, toFloat32, toInt32, type ParameterStore } from '@tersor/tensor'
import { badFile } from '../bad-file.js'
import type { Json } from '../json-text.js'
import { treeOf } from './affine-matrix.js'
import { basesOf, expectShape, type QuantizedLayer } from './reader.js'
import { transposed, unpackColumns, unpackRows, wordsFor } from './words.js'

const BITS: readonly unknown[] = [2, 3, 4, 8]
const PARTS = ['qweight', 'qzeros', 'scales', 'g_idx'] as const

const settingsOf = (config: Json) => {
  const { bits, group_size: group } = config
  if (!BITS.includes(bits)) throw badFile(`The quantization's "bits" is ${JSON.stringify(bits)}, expected 2, 3, 4 or 8.`)
  if (typeof group !== 'number' || !Number.isInteger(group) || (group < 1 && group !== -1))
    throw badFile(`The quantization's "group_size" is ${JSON.stringify(group)}, expected -1 or a whole number above 0.`)
  if (config.dynamic && Object.keys(config.dynamic as object).length > 0)
    throw new CompressionError(
      'UNSUPPORTED',
      'The folder quantizes some layers differently ("dynamic").',
      'Requantize it from the original weights.',
    )
  return { bits: bits as number, group, version: config.checkpoint_format ?? config.format ?? 'gptq' }
}

/** Zeros as they count: v1 stores them less one. Where all say the middle, they are right whatever the config says. */
const zerosFrom = (stored: Uint8Array, bits: number, version: unknown): Uint8Array => {
  const middle = 2 ** (bits - 1)
  const isV2 = stored.every(zero => zero === middle) || (version === 'gptq_v2' && !stored.every(zero => zero === middle - 1))
  return isV2 ? stored : stored.map(zero => (zero + 1) & (2 ** bits - 1))
}

/** The order that puts the columns of each group side by side; undefined where they are. Throws BAD_FILE for groups of unequal size. */
const orderOf = (groupOf: Int32Array, group: number, base: string): Int32Array | undefined => {
  if (groupOf.every((value, column) => value === Math.floor(column / group))) return undefined
  const order = Int32Array.from(groupOf, (_, column) => column).sort((a, b) => groupOf[a] - groupOf[b] || a - b)
  if (order.some((column, at) => groupOf[column] !== Math.floor(at / group)))
    throw badFile(`"${base}.g_idx" does not give ${group} columns to each group.`)
  return order
}

/** The quantized layers of a GPTQ folder. Throws BAD_FILE where shapes do not agree, UNSUPPORTED for per-layer settings. */
export const gptqLayers = (store: ParameterStore, config: Json): ReadonlyMap<string, QuantizedLayer> => {
  const { bits, group: wanted, version } = settingsOf(config)
  const layer = (base: string): QuantizedLayer => {
    const [words, rows = 0] = store.info(`${base}.qweight`).shape
    const columns = Math.floor((words * 32) / bits)
    const group = wanted === -1 ? columns : Math.min(wanted, columns)
    const groups = Math.ceil(columns / Math.max(1, group))
    const ordered = store.names().includes(`${base}.g_idx`)
    expectShape(store, `${base}.qweight`, [wordsFor(columns, bits), rows])
    expectShape(store, `${base}.qzeros`, [groups, wordsFor(rows, bits)])
    expectShape(store, `${base}.scales`, [groups, rows])
    if (ordered) expectShape(store, `${base}.g_idx`, [columns])
    return {
      shape: [rows, columns],
      parts: ordered ? PARTS : PARTS.slice(0, 3),
      read: async tensor => {
        const [qweight, qzeros, scales] = [await tensor('qweight'), await tensor('qzeros'), await tensor('scales')]
        const order = ordered ? orderOf(toInt32(await tensor('g_idx')), group, base) : undefined
        const byColumn = unpackColumns(qweight.bytes, columns, rows, bits) // (columns, rows)
        const sorted = order
          ? Uint8Array.from({ length: byColumn.length }, (_, at) => byColumn[order[Math.floor(at / rows)] * rows + (at % rows)])
          : byColumn
        const tree = treeOf({
          ...{ rows, columns, bits, group, groups },
          codes: transposed(sorted, columns, rows),
          scale: fromFloat32(transposed(toFloat32(scales), groups, rows), scales.dtype === 'f16' ? 'f16' : 'f32', [rows, groups]),
          zeros: transposed(zerosFrom(unpackRows(qzeros.bytes, groups, rows, bits), bits, version), groups, rows),
        })
        return order ? permutedOf(order, tree) : tree
      },
    }
  }
  return new Map(basesOf(store, 'qweight').map(base => [base, layer(base)]))
}
