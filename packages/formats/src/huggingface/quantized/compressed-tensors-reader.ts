import { CompressionError, fromFloat32, sizeOf, toFloat32, toInt32, type Dense, type ParameterStore } from '@tersor/tensor'
import { badFile, oneLine } from '../../files/bad-file.js'
import { isRecord, type Json } from '../../files/json-text.js'
import { treeOf } from '../../files/affine-matrix.js'
import { mxfp4Layer, nvfp4Layer, sparseLayers } from './float-reader.js'
import { blockOf, fp8Layer, type Block } from './fp8-reader.js'
import { basesOf, expectShape, has, INPUT_GRID, type QuantizedLayer } from './reader.js'
import { unpackColumns, unpackRows, wordsFor } from '../../files/pack-words.js'

/** The values of "format" that are read; which of them a layer has is seen from its tensors, so that mixtures are read too. */
export const COMPRESSED_TENSORS_FORMATS: readonly string[] = [
  ...['pack-quantized', 'int-quantized', 'float-quantized', 'naive-quantized', 'nvfp4-pack-quantized', 'mxfp4-pack-quantized'],
  ...['mixed-precision', 'dense'],
]

const BYTE = 8

const unsupported = (what: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    what,
    `Known are ${COMPRESSED_TENSORS_FORMATS.join(', ')}, and sparse-24-bitmask alone: take the original weights, or save the model decompressed.`,
  )

const isSparse = ({ sparsity_config: sparsity }: Json): boolean =>
  isRecord(sparsity) && sparsity.format !== undefined && sparsity.format !== 'dense'

const weightsOf = (config: Json): readonly Json[] =>
  Object.values(isRecord(config.config_groups) ? config.config_groups : {})
    .filter(isRecord)
    .map(({ weights }) => (isRecord(weights) ? weights : {}))

/** The widths of codes that the config's groups name. Which layer has which is seen from its shapes: targets are patterns of another language. */
const widthsOf = (config: Json): readonly number[] => {
  const groups = weightsOf(config)
  if (groups.length === 0) throw badFile('The quantization has no "config_groups".')
  const integers = groups.filter(({ type = 'int' }) => type === 'int')
  if (integers.length === 0) throw unsupported(`The weights are of the type ${JSON.stringify(groups[0].type)}, but stand as integers.`)
  return integers.map(({ num_bits: bits }) => {
    if (typeof bits === 'number' && Number.isInteger(bits) && bits >= 1 && bits <= BYTE) return bits
    throw badFile(`The quantization's "num_bits" is ${JSON.stringify(bits)}, expected 1 to 8.`)
  })
}

/** Codes of words with room left over, as releases of 2025 wrote 3, 5, 6 and 7 bits. */
const unpackLoose = (bytes: Uint8Array, rows: number, columns: number, bits: number): Uint8Array => {
  const each = Math.floor(32 / bits)
  const words = new Uint32Array(bytes.slice().buffer)
  const perRow = Math.ceil(columns / each)
  return Uint8Array.from({ length: rows * columns }, (_, at) => {
    const column = at % columns
    return (words[Math.floor(at / columns) * perRow + Math.floor(column / each)] >>> (bits * (column % each))) & (2 ** bits - 1)
  })
}

const scaleOf = (scale: Dense, rows: number, groups: number): Dense => {
  const values = toFloat32(scale)
  const spread = values.length === 1 ? new Float32Array(rows * groups).fill(values[0]) : values
  return fromFloat32(spread, scale.dtype === 'f16' ? 'f16' : 'f32', [rows, groups])
}

/** Signed codes in bytes, around 2^(bits − 1) instead of 0. */
const unsigned = (tensor: Dense, bits: number): Uint8Array => Uint8Array.from(toInt32(tensor), code => code + 2 ** (bits - 1))

/** Groups of a scale tensor: (rows, groups), (rows, 1) or one for all. */
const groupsOf = (store: ParameterStore, name: string, rows: number): number => {
  if (!has(store, name)) throw badFile(`"${name}" is missing.`)
  const { shape } = store.info(name)
  if (sizeOf(shape) === 1) return 1
  if (shape.length === 2 && shape[0] === rows && shape[1] > 0) return shape[1]
  throw badFile(`"${name}" is [${shape.join(', ')}], expected [${rows}, groups].`)
}

const grid = (store: ParameterStore, base: string, rows: number, columns: number) => {
  const groups = groupsOf(store, `${base}.weight_scale`, rows)
  return { rows, columns, groups, group: Math.ceil(columns / groups), zero: has(store, `${base}.weight_zero_point`) }
}

const looseWords = (columns: number, bits: number): number => Math.ceil(columns / Math.floor(32 / bits))

const packedLayer = async (store: ParameterStore, base: string, widths: readonly number[]): Promise<QuantizedLayer> => {
  expectShape(store, `${base}.weight_shape`, [2])
  const stored = await store.read(`${base}.weight_shape`)
  if (stored.kind !== 'dense') throw badFile(`"${base}.weight_shape" is no plain tensor.`)
  const [rows, columns] = toInt32(stored)
  const [height, words] = store.info(`${base}.weight_packed`).shape
  const dense = widths.find(width => words === wordsFor(columns, width))
  const bits = dense ?? widths.find(width => words === looseWords(columns, width))
  if (height !== rows || rows < 1 || columns < 1 || bits === undefined)
    throw badFile(
      `"${base}.weight_packed" is [${height}, ${words}], which does not hold ${rows} × ${columns} codes of ${widths.join(' or ')} bits.`,
    )
  if (has(store, `${base}.weight_g_idx`)) throw unsupported(`"${base}" has its columns in groups of their own ("weight_g_idx").`)
  const { groups, group, zero } = grid(store, base, rows, columns)
  return {
    shape: [rows, columns],
    parts: ['weight_packed', 'weight_scale', 'weight_shape', ...(zero ? ['weight_zero_point'] : [])],
    beside: INPUT_GRID,
    read: async tensor => {
      const { bytes } = await tensor('weight_packed')
      return treeOf({
        ...{ rows, columns, bits, group, groups },
        codes: (dense === undefined ? unpackLoose : unpackRows)(bytes, rows, columns, bits),
        scale: scaleOf(await tensor('weight_scale'), rows, groups),
        ...(zero ? { zeros: unpackColumns((await tensor('weight_zero_point')).bytes, rows, groups, bits) } : {}),
      })
    },
  }
}

const plainLayer = (store: ParameterStore, base: string): QuantizedLayer => {
  const bits = BYTE
  const { shape, dtype } = store.info(`${base}.weight`)
  if (dtype !== 'i8' || shape.length !== 2)
    throw badFile(`"${base}.weight" is ${dtype} [${shape.join(', ')}], expected signed bytes of two axes.`)
  const [rows, columns] = shape
  const { groups, group, zero } = grid(store, base, rows, columns)
  return {
    shape,
    parts: ['weight', 'weight_scale', ...(zero ? ['weight_zero_point'] : [])],
    beside: INPUT_GRID,
    read: async tensor =>
      treeOf({
        ...{ rows, columns, bits, group, groups },
        codes: unsigned(await tensor('weight'), bits),
        scale: scaleOf(await tensor('weight_scale'), rows, groups),
        ...(zero ? { zeros: unsigned(await tensor('weight_zero_point'), bits) } : {}),
      }),
  }
}

/** A layer of packed codes: 4-bit floats stand in bytes, integers in words. */
const packedAs = (store: ParameterStore, base: string, config: Json): QuantizedLayer | Promise<QuantizedLayer> => {
  if (has(store, `${base}.weight_global_scale`)) return nvfp4Layer(store, base)
  if (store.info(`${base}.weight_packed`).dtype === 'u8') return mxfp4Layer(store, base)
  return packedLayer(store, base, widthsOf(config))
}

/** A layer of one code a byte: a float or an integer. */
const bytesAs = (store: ParameterStore, base: string, block: Block | undefined): QuantizedLayer => {
  const name = `${base}.weight`
  if (!has(store, name)) throw badFile(`"${name}" is missing.`)
  return store.info(name).dtype === 'i8' ? plainLayer(store, base) : fp8Layer(store, base, 'weight_scale', block)
}

/** The block that all groups of 8-bit floats share, if they have one: shapes alone do not tell several apart. */
const declaredBlock = (config: Json): Block | undefined => {
  const blocks = weightsOf(config).flatMap(({ block_structure: value }) => blockOf(value, 'block_structure') ?? [])
  const [height, width] = blocks
  const isOne = blocks.every((extent, at) => extent === (at % 2 === 0 ? height : width))
  if (!isOne) throw unsupported('The folder is compressed-tensors with blocks of several sizes.')
  return height === undefined ? undefined : [height, width]
}

/** The quantized layers of a compressed-tensors folder. Throws BAD_FILE where shapes do not agree, UNSUPPORTED for other formats. */
export const compressedTensorsLayers = async (store: ParameterStore, config: Json): Promise<ReadonlyMap<string, QuantizedLayer>> => {
  const { format, sparsity_config: sparsity } = config
  if (typeof format !== 'string' || !COMPRESSED_TENSORS_FORMATS.includes(format))
    throw unsupported(oneLine(`The folder is compressed-tensors of the format ${JSON.stringify(format)}.`))
  if (isSparse(config)) {
    const kind = JSON.stringify((sparsity as Json).format)
    if (kind === '"sparse-24-bitmask"' && format === 'dense') return sparseLayers(store)
    throw unsupported(oneLine(`The folder is compressed-tensors of the sparsity ${kind} with the format "${format}".`))
  }
  const block = declaredBlock(config)
  const layers = new Map<string, QuantizedLayer>()
  for (const base of basesOf(store, 'weight_packed')) layers.set(base, await packedAs(store, base, config))
  for (const base of basesOf(store, 'weight_scale')) if (!layers.has(base)) layers.set(base, bytesAs(store, base, block))
  return layers
}
