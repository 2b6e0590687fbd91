import { dense, type Encoded } from '@tersor/tensor'
import { affineMatrixOf, halfScales, whyNoMatrix, zerosOf } from '../../files/affine-matrix.js'
import type { Refusal } from '../../files/refusal.js'
import { groupOf, leftAlone, type Layout, type PlannedLayer, type StoredLinear } from './layout.js'
import { packRows, transposed } from '../../files/pack-words.js'

const BITS = 4
const LANES = 8
/** Which of eight neighbouring outputs stands in each nibble of a word, from the lowest. */
export const INTERLEAVE = [0, 2, 4, 6, 1, 3, 5, 7] as const

const STEP = 'Quantize it by gptq or rtn with bits=4 and a group that divides its columns.'
const refusal = (reason: string): Refusal => ({ reason, step: STEP })

/** Puts each eight neighbours of a row into the order of the nibbles. */
export const interleave = (codes: Uint8Array): Uint8Array => codes.map((_, at) => codes[at - (at % LANES) + INTERLEAVE[at % LANES]])

const refuses = ({ rows, columns, bits, group }: PlannedLayer): Refusal | undefined => {
  if (bits !== BITS) return refusal(`has ${bits} bits`)
  if (rows % LANES !== 0) return refusal(`has ${rows} rows, not a multiple of ${LANES}`)
  return columns % group === 0 ? undefined : refusal(`has groups of ${group}, which do not divide its ${columns} columns`)
}

/** Everything packs along the outputs: qweight (inputs, outputs / 8), qzeros (groups, outputs / 8), scales (groups, outputs). */
const store = (tree: Encoded): StoredLinear | Refusal => {
  const matrix = affineMatrixOf(tree)
  if (!matrix) return refusal(whyNoMatrix(tree))
  const { rows, columns, bits, group, groups, codes } = matrix
  const refused = refuses({ rows, columns, bits, group, symmetric: matrix.zeros === undefined })
  if (refused) return refused
  const scales = halfScales(matrix)
  if (!scales) return refusal('has scales that no half-precision number holds')
  const pack = (values: Uint8Array, count: number) => packRows(interleave(transposed(values, rows, count)), count, rows, BITS)
  return {
    scheme: { bits, group, whole: group === columns, symmetric: matrix.zeros === undefined },
    tensors: {
      qweight: dense('i32', [columns, rows / LANES], pack(codes, columns)),
      qzeros: dense('i32', [groups, rows / LANES], pack(zerosOf(matrix), groups)),
      scales,
    },
  }
}

/** The "gemm" layout of AutoAWQ, read by transformers and vLLM. */
export const awqLayout: Layout = {
  title: 'AWQ',
  mixed: false,
  store,
  refuses,
  config: (layers, plain) => {
    const left = leftAlone(layers, plain)
    return {
      ...{ quant_method: 'awq', version: 'gemm', bits: BITS, group_size: groupOf([...layers.values()]), zero_point: true },
      modules_to_not_convert: left.length > 0 ? left : null,
    }
  },
}
