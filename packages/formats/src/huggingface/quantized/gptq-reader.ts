import { permutedOf } from '@tersor/core/permuted'
import { CompressionError, fromFloat32, toFloat32, toInt32, type ParameterStore } from '@tersor/tensor'
import { badFile, oneLine } from '../../files/bad-file.js'
import { isRecord, type Json } from '../../files/json-text.js'
import { treeOf } from '../../files/affine-matrix.js'
import { basesOf, expectShape, has, type QuantizedLayer } from './reader.js'
import { transposed, unpackColumns, unpackRows, wordsFor } from '../../files/pack-words.js'

export const GPTQ_BITS: readonly unknown[] = [2, 3, 4, 8]
const PARTS = ['qweight', 'qzeros', 'scales', 'g_idx'] as const
/** Of `checkpoint_format`; others hold the codes in the order of one kernel. */
export const GPTQ_FORMATS: readonly unknown[] = ['gptq', 'gptq_v2']

const isGroup = (group: unknown): group is number => typeof group === 'number' && Number.isInteger(group) && (group >= 1 || group === -1)

const unsupported = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    oneLine(what),
    `Known are ${GPTQ_FORMATS.join(' and ')} in words of 32 bits: take the original weights, or save the model in one of these.`,
  )

/** What the layers may be: the config's own settings, and those of the rules of `dynamic`, whose patterns are of another language. */
interface Settings {
  readonly bits: readonly number[]
  readonly groups: readonly number[]
  /** Undefined where no config tells. */
  readonly version?: unknown
}

/** Rules after "-:" exclude layers, which then have no codes; the others change settings. */
const rulesOf = (config: Json): readonly Json[] =>
  Object.entries(isRecord(config.dynamic) ? config.dynamic : {})
    .filter(([pattern, rule]) => !pattern.startsWith('-:') && isRecord(rule))
    .map(([, rule]) => rule as Json)

const settingsOf = (config: Json): Settings => {
  const { pack_dtype: pack = 'int32' } = config
  const version = config.checkpoint_format ?? config.format ?? 'gptq'
  if (!GPTQ_FORMATS.includes(version)) throw unsupported(`The folder is GPTQ of the checkpoint format ${JSON.stringify(version)}.`)
  if (pack !== 'int32') throw unsupported(`The folder is GPTQ with codes packed into ${JSON.stringify(pack)}.`)
  const all = [config, ...rulesOf(config)]
  const bits = all.map((rule, index) => (index === 0 ? rule.bits : (rule.bits ?? config.bits)))
  const groups = all.map((rule, index) => (index === 0 ? rule.group_size : (rule.group_size ?? config.group_size)))
  const [wrong] = bits.filter(value => !GPTQ_BITS.includes(value))
  if (bits.some(value => !GPTQ_BITS.includes(value)))
    throw badFile(`The quantization's "bits" is ${JSON.stringify(wrong)}, expected 2, 3, 4 or 8.`)
  const bad = groups.find(value => !isGroup(value))
  if (!groups.every(isGroup))
    throw badFile(`The quantization's "group_size" is ${JSON.stringify(bad)}, expected -1 or a whole number above 0.`)
  return { bits: [...new Set(bits as number[])], groups: [...new Set(groups)], version }
}

/** Bits, columns and group of a layer: those settings that its shapes allow. Throws BAD_FILE where none or several do. */
const layerOf = (store: ParameterStore, base: string, { bits: widths, groups: sizes }: Settings) => {
  const [words, rows = 0] = store.info(`${base}.qweight`).shape
  const [groups = 0, zeroWords = 0] = has(store, `${base}.qzeros`) ? store.info(`${base}.qzeros`).shape : []
  const fitting = widths.flatMap(bits => {
    const columns = Math.floor((words * 32) / bits)
    if (wordsFor(columns, bits) !== words || wordsFor(rows, bits) !== zeroWords) return []
    const each = [...new Set(sizes.map(size => (size === -1 ? columns : Math.min(size, columns))))]
    return each.filter(group => Math.ceil(columns / Math.max(1, group)) === groups).map(group => ({ bits, columns, group }))
  })
  if (fitting.length === 1) return { ...fitting[0], rows, groups, words, zeroWords }
  const shapes = ['qweight', 'qzeros'].map(part => `${part} [${has(store, `${base}.${part}`) ? store.info(`${base}.${part}`).shape.join(', ') : 'missing'}]`) // prettier-ignore
  throw badFile(
    `"${base}" has ${shapes.join(' and ')}, which ${fitting.length === 0 ? 'no' : 'more than one'} setting of its quantization makes.`,
  )
}

/** Settings told by the shapes of the tensors alone, for a folder that says nothing: bits by the zeros, the group by their rows. */
export const shownGptq = (store: ParameterStore, base: string): { readonly bits: number; readonly group: number } | undefined => {
  const [words = 0, rows = 0] = store.info(`${base}.qweight`).shape
  const [groups = 0, zeroWords = 0] = has(store, `${base}.qzeros`) ? store.info(`${base}.qzeros`).shape : []
  const bits = GPTQ_BITS.find(width => wordsFor(rows, width as number) === zeroWords) as number | undefined
  if (bits === undefined || groups === 0) return undefined
  const columns = Math.floor((words * 32) / bits)
  return columns % groups === 0 ? { bits, group: columns / groups } : undefined
}

/** Zeros as they count: v1 stores them less one. Where all say the middle, they are right whatever the config says. */
const zerosFrom = (stored: Uint8Array, bits: number, version: unknown, base: string): Uint8Array => {
  const middle = 2 ** (bits - 1)
  const isSymmetric = stored.every(zero => zero === middle) || stored.every(zero => zero === middle - 1)
  if (version === undefined && !isSymmetric)
    throw new CompressionError(
      'UNSUPPORTED',
      oneLine(
        `"${base}" has zeros of GPTQ that mean one thing in its first version and another in its second, and no config says which it is.`,
      ),
      'Put the quantize_config.json of the model into the folder.',
      { layer: base },
    )
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

const layerReader = (store: ParameterStore, base: string, settings: Settings): QuantizedLayer => {
  const { bits, columns, rows, group, groups, words, zeroWords } = layerOf(store, base, settings)
  const ordered = has(store, `${base}.g_idx`)
  expectShape(store, `${base}.qweight`, [words, rows])
  expectShape(store, `${base}.qzeros`, [groups, zeroWords])
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
        zeros: transposed(zerosFrom(unpackRows(qzeros.bytes, groups, rows, bits), bits, settings.version, base), groups, rows),
      })
      return order ? permutedOf(order, tree) : tree
    },
  }
}

/** The quantized layers of a GPTQ folder. Throws BAD_FILE where shapes do not agree, UNSUPPORTED for other checkpoint formats. */
export const gptqLayers = (store: ParameterStore, config: Json): ReadonlyMap<string, QuantizedLayer> => {
  const settings = settingsOf(config)
  return new Map(basesOf(store, 'qweight').map(base => [base, layerReader(store, base, settings)]))
}

/** The layers of a folder that holds GPTQ's tensors and no description of them. Throws BAD_FILE. */
export const undescribedGptqLayers = (store: ParameterStore): ReadonlyMap<string, QuantizedLayer> =>
  new Map(
    basesOf(store, 'qweight').map(base => {
      const shown = shownGptq(store, base)
      if (!shown)
        throw badFile(
          `"${base}" has codes of GPTQ, whose bits and group its shapes do not tell.`,
          'Put its quantize_config.json into the folder.',
        )
      return [base, layerReader(store, base, { bits: [shown.bits], groups: [shown.group] })]
    }),
  )
