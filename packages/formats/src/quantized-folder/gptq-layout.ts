import { dense, fromIntegers, type Encoded } from '@tersor/tensor'
import type { Json } from '../json-text.js'
import { affineMatrixOf, halfScales, whyNoMatrix, zerosOf } from './affine-matrix.js'
import type { Misfit } from '../misfit.js'
import { groupOf, type Layout, type StoredLinear } from './layout.js'
import { packColumns, packRows, transposed, wordsFor } from './words.js'

/** v1 stores zeros less one, v2 as they are. */
export type GptqVersion = 'gptq' | 'gptq_v2'

const BITS: readonly number[] = [2, 3, 4, 8]
const MULTIPLE = 32
const STEP = 'Quantize it by gptq or rtn with bits of 2, 3, 4 or 8 and a group that divides its columns.'

const misfit = (reason: string): Misfit => ({ reason, step: STEP })

/** qweight packs codes along the inputs, qzeros along the outputs; scales are halves, (groups, outputs). */
const store =
  (version: GptqVersion) =>
  (tree: Encoded): StoredLinear | Misfit => {
    const matrix = affineMatrixOf(tree)
    if (!matrix) return misfit(whyNoMatrix(tree))
    const { rows, columns, bits, group, groups, codes } = matrix
    if (!BITS.includes(bits)) return misfit(`has ${bits} bits`)
    if (rows % MULTIPLE !== 0 || columns % MULTIPLE !== 0) return misfit(`is ${rows} × ${columns}, not multiples of ${MULTIPLE}`)
    if (columns % group !== 0) return misfit(`has groups of ${group}, which do not divide its ${columns} columns`)
    const scales = halfScales(matrix)
    if (!scales) return misfit('has scales that no half-precision number holds')
    const zeros = zerosOf(matrix)
    const less = version === 'gptq' ? 1 : 0
    if (less === 1 && zeros.includes(0)) return misfit('has a zero of 0, which v1 cannot say: write gptq_v2')
    const stored = transposed(
      zeros.map(zero => zero - less),
      rows,
      groups,
    )
    return {
      scheme: { bits, group, whole: group === columns, symmetric: matrix.zeros === undefined },
      tensors: {
        qweight: dense('i32', [wordsFor(columns, bits), rows], packColumns(transposed(codes, rows, columns), columns, rows, bits)),
        qzeros: dense('i32', [groups, wordsFor(rows, bits)], packRows(stored, groups, rows, bits)),
        scales,
        g_idx: fromIntegers(
          Int32Array.from({ length: columns }, (_, column) => Math.floor(column / group)),
          'i32',
          [columns],
        ),
      },
    }
  }

/** The layout of AutoGPTQ and GPTQModel, read by transformers and vLLM. */
export const gptqLayout = (version: GptqVersion): Layout => ({
  title: version === 'gptq' ? 'GPTQ' : 'GPTQ v2',
  mixed: false,
  store: store(version),
  config: layers => {
    const schemes = [...layers.values()]
    const { bits } = schemes[0] ?? { bits: 4 }
    return {
      ...{ quant_method: 'gptq', checkpoint_format: version, format: version, bits, group_size: groupOf(schemes), desc_act: false },
      ...{ sym: schemes.every(({ symmetric }) => symmetric), lm_head: layers.has('lm_head'), pack_dtype: 'int32' },
      meta: { quantizer: ['tersor'] },
    } satisfies Json
  },
  files: quantization => ({ 'quantize_config.json': quantization }),
})
