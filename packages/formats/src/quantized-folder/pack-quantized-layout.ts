import { dense, fromIntegers, type Dense, type Encoded } from '@tersor/tensor'
import type { Json } from '../json-text.js'
import { affineMatrixOf, type AffineMatrix, whyNoMatrix } from './affine-matrix.js'
import { FLOAT_FORMATS, type FloatFormat } from './float-layouts.js'
import { sparseLayout } from './sparse-layout.js'
import type { Misfit } from '../misfit.js'
import type { Layout, Scheme, StoredLinear } from './layout.js'
import { packColumns, packRows, wordsFor } from './words.js'

/** How codes stand: several in a word, or one in a byte. */
export type CompressedTensorsFormat = IntegerFormat | FloatFormat | 'sparse-24-bitmask'
type IntegerFormat = 'pack-quantized' | 'int-quantized'

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

const store =
  (format: IntegerFormat) =>
  (tree: Encoded): StoredLinear | Misfit => {
    const matrix = affineMatrixOf(tree)
    if (!matrix) return { reason: whyNoMatrix(tree), step: STEP }
    const { columns, bits, group } = matrix
    if (columns % group !== 0) return { reason: `has groups of ${group}, which do not divide its ${columns} columns`, step: STEP }
    if (format === 'int-quantized' && bits !== BYTE)
      return { reason: `has ${bits} bits, not 8`, step: 'Quantize it with bits=8, or write pack-quantized.' }
    return {
      scheme: { bits, group, whole: group === columns, symmetric: matrix.zeros === undefined },
      tensors: FORMATS[format](matrix),
    }
  }

const keyOf = ({ bits, group, whole, symmetric, float }: Scheme): string =>
  `${bits},${whole ? 'row' : group},${symmetric},${float?.strategy}`

const weightsOf = ({ bits, group, whole, symmetric, float }: Scheme): Json => ({
  ...{ num_bits: bits, type: float ? 'float' : 'int', symmetric },
  ...{ strategy: float?.strategy ?? (whole ? 'channel' : 'group'), group_size: whole ? null : group },
  ...(float?.scale ? { scale_dtype: float.scale } : {}),
  ...{ dynamic: false, actorder: null, observer: 'minmax', block_structure: null, observer_kwargs: {} },
})

/** Layers of one scheme are one group; where there are several, each names its layers. */
const groupsOf = (layers: ReadonlyMap<string, Scheme>): Json => {
  const schemes = new Map([...layers.values()].map(scheme => [keyOf(scheme), scheme]))
  const groups = [...schemes].map(([key, scheme], index) => {
    const targets = schemes.size === 1 ? ['Linear'] : [...layers].filter(([, other]) => keyOf(other) === key).map(([name]) => name)
    return [
      `group_${index}`,
      { targets, weights: weightsOf(scheme), input_activations: null, output_activations: null, format: null },
    ] as const
  })
  return Object.fromEntries(groups)
}

const isFloat = (format: IntegerFormat | FloatFormat): format is FloatFormat => Object.hasOwn(FLOAT_FORMATS, format)

const quantizedLayout = (format: IntegerFormat | FloatFormat): Layout => ({
  title: `compressed-tensors (${format})`,
  mixed: true,
  store: isFloat(format) ? FLOAT_FORMATS[format] : store(format),
  config: layers => ({
    ...{ quant_method: 'compressed-tensors', format, quantization_status: 'compressed' },
    ...{ ignore: layers.has('lm_head') ? [] : ['lm_head'], kv_cache_scheme: null, global_compression_ratio: null },
    config_groups: groupsOf(layers),
  }),
})

/** The layout of compressed-tensors, written by llm-compressor and read by vLLM and transformers. */
export const compressedTensorsLayout = (format: CompressedTensorsFormat): Layout =>
  format === 'sparse-24-bitmask' ? sparseLayout : quantizedLayout(format)
