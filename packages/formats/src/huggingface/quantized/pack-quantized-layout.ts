import { dense, fromIntegers, type Dense, type Encoded } from '@tersor/tensor'
import type { Json } from '../../files/json-text.js'
import { affineMatrixOf, type AffineMatrix, whyNoMatrix } from '../../files/affine-matrix.js'
import { FLOAT_FORMATS, type FloatFormat } from './float-layouts.js'
import { sparseLayout } from './sparse-layout.js'
import { isRefusal, type Refusal } from '../../files/refusal.js'
import { leftAlone, type Layout, type PlannedLayer, type Scheme, type StoredLinear } from './layout.js'
import { packColumns, packRows, wordsFor } from '../../files/pack-words.js'

/** How codes stand: several in a word, or one in a byte. */
export type CompressedTensorsFormat = IntegerFormat | FloatFormat | 'sparse-24-bitmask'
type IntegerFormat = 'pack-quantized' | 'int-quantized'
type QuantizedFormat = IntegerFormat | FloatFormat

const STEP = 'Quantize it by gptq or rtn with a group that divides its columns.'
const BYTE = 8

/** Codes as signed bytes, around 0 instead of 2^(bits − 1). */
const signed = (codes: Uint8Array, bits: number): Int8Array => Int8Array.from(codes, code => code - 2 ** (bits - 1))

const packed = ({ rows, columns, bits, groups, codes, scale, zeros }: AffineMatrix): Record<string, Dense> => ({
  weight_packed: dense('i32', [rows, wordsFor(columns, bits)], packRows(codes, rows, columns, bits)),
  weight_scale: scale,
  ...(zeros ? { weight_zero_point: dense('i32', [wordsFor(rows, bits), groups], packColumns(zeros, rows, groups, bits)) } : {}),
  weight_shape: fromIntegers([rows, columns], 'i64', [2]),
})

const plain = ({ rows, columns, bits, groups, codes, scale, zeros }: AffineMatrix): Record<string, Dense> => ({
  weight: fromIntegers(signed(codes, bits), 'i8', [rows, columns]),
  weight_scale: scale,
  ...(zeros ? { weight_zero_point: fromIntegers(signed(zeros, bits), 'i8', [rows, groups]) } : {}),
})

const FORMATS: Readonly<Record<IntegerFormat, (matrix: AffineMatrix) => Record<string, Dense>>> = {
  'pack-quantized': packed,
  'int-quantized': plain,
}

const refuses =
  (format: IntegerFormat) =>
  ({ columns, bits, group }: PlannedLayer): Refusal | undefined => {
    if (columns % group !== 0) return { reason: `has groups of ${group}, which do not divide its ${columns} columns`, step: STEP }
    if (format === 'int-quantized' && bits !== BYTE)
      return { reason: `has ${bits} bits, not 8`, step: 'Quantize it with bits=8, or write pack-quantized.' }
    return undefined
  }

const store =
  (format: IntegerFormat) =>
  (tree: Encoded): StoredLinear | Refusal => {
    const matrix = affineMatrixOf(tree)
    if (!matrix) return { reason: whyNoMatrix(tree), step: STEP }
    const { rows, columns, bits, group } = matrix
    const symmetric = matrix.zeros === undefined
    const refused = refuses(format)({ rows, columns, bits, group, symmetric })
    return refused ?? { scheme: { bits, group, whole: group === columns, symmetric }, tensors: FORMATS[format](matrix) }
  }

const keyOf = ({ bits, group, whole, symmetric, float, format }: Scheme): string =>
  [bits, whole ? 'row' : group, symmetric, float?.strategy, float?.block, format].join()

const weightsOf = ({ bits, group, whole, symmetric, float }: Scheme): Json => ({
  ...{ num_bits: bits, type: float ? 'float' : 'int', symmetric },
  ...{ strategy: float?.strategy ?? (whole ? 'channel' : 'group'), group_size: whole ? null : group },
  ...(float?.scale ? { scale_dtype: float.scale } : {}),
  ...{ dynamic: false, actorder: null, observer: 'minmax', block_structure: float?.block ?? null, observer_kwargs: {} },
})

/** Layers of one scheme are one group; where there are several, each names its layers. */
const groupsOf = (layers: ReadonlyMap<string, Scheme>): Json => {
  const schemes = new Map([...layers.values()].map(scheme => [keyOf(scheme), scheme]))
  const groups = [...schemes].map(([key, scheme], index) => {
    const targets = schemes.size === 1 ? ['Linear'] : [...layers].filter(([, other]) => keyOf(other) === key).map(([name]) => name)
    return [
      `group_${index}`,
      { targets, weights: weightsOf(scheme), input_activations: null, output_activations: null, format: scheme.format ?? null },
    ] as const
  })
  return Object.fromEntries(groups)
}

const isFloat = (format: QuantizedFormat): format is FloatFormat => Object.hasOwn(FLOAT_FORMATS, format)

const storedAs = (format: QuantizedFormat, tree: Encoded): StoredLinear | Refusal => {
  const stored = (isFloat(format) ? FLOAT_FORMATS[format] : store(format))(tree)
  return isRefusal(stored) ? stored : { ...stored, scheme: { ...stored.scheme, format } }
}

/** The format whose trees have this codec; codes that none is named for are those of a grid. */
const formatOf = ({ codec, attrs }: Encoded): QuantizedFormat => {
  if (codec.name === 'scaled') return 'float-quantized'
  if (codec.name !== 'codebook') return 'pack-quantized'
  return attrs.block === 16 ? 'nvfp4-pack-quantized' : 'mxfp4-pack-quantized'
}

/** What a folder whose layers have these formats is called. */
const nameOf = (layers: ReadonlyMap<string, Scheme>, wanted: QuantizedFormat): string => {
  const formats = [...new Set([...layers.values()].map(({ format = wanted }) => format))]
  return formats.length > 1 ? 'mixed-precision' : (formats[0] ?? wanted)
}

const quantizedLayout = (format?: QuantizedFormat): Layout => ({
  title: format === undefined ? 'compressed-tensors' : `compressed-tensors (${format})`,
  mixed: true,
  store: tree => storedAs(format ?? formatOf(tree), tree),
  refuses:
    format !== undefined && isFloat(format)
      ? () => ({ reason: 'is a grid of codes, not of floats', step: 'Quantize it by fp8, nvfp4 or mxfp4.' })
      : refuses(format ?? 'pack-quantized'),
  config: (layers, plain) => ({
    ...{ quant_method: 'compressed-tensors', format: nameOf(layers, format ?? 'pack-quantized'), quantization_status: 'compressed' },
    ...{ ignore: leftAlone(layers, plain), kv_cache_scheme: null, global_compression_ratio: null },
    config_groups: groupsOf(layers),
  }),
})

/** What follows the first tree: packed masks make a folder of their own. */
const followingLayout = (): Layout => {
  let chosen: Layout | undefined
  const usual = quantizedLayout()
  return {
    ...usual,
    store: tree => (chosen ??= tree.codec.name === 'bitmask' ? sparseLayout : usual).store(tree),
    config: (layers, plain) => (chosen ?? usual).config(layers, plain),
  }
}

/** The layout of compressed-tensors, written by llm-compressor and read by vLLM and transformers; without a format it is that of each tree. */
export const compressedTensorsLayout = (format?: CompressedTensorsFormat): Layout => {
  if (format === undefined) return followingLayout()
  return format === 'sparse-24-bitmask' ? sparseLayout : quantizedLayout(format)
}
