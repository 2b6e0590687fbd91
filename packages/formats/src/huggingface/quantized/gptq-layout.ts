import { dense, fromIntegers, type Encoded } from '@tersor/tensor'
import type { Json } from '../../files/json-text.js'
import { affineMatrixOf, halfScales, whyNoMatrix, zerosOf } from '../../files/affine-matrix.js'
import type { Refusal } from '../../files/refusal.js'
import { groupOf, leftAlone, type Layout, type PlannedLayer, type StoredLinear } from './layout.js'
import { packColumns, packRows, transposed, wordsFor } from '../../files/pack-words.js'

/** v1 stores zeros less one, v2 as they are. */
export type GptqVersion = 'gptq' | 'gptq_v2'

const BITS: readonly number[] = [2, 3, 4, 8]
const MULTIPLE = 32
const STEP = 'Quantize it by gptq or rtn with bits of 2, 3, 4 or 8 and a group that divides its columns.'

const refusal = (reason: string): Refusal => ({ reason, step: STEP })

const refuses = ({ rows, columns, bits, group }: PlannedLayer): Refusal | undefined => {
  if (!BITS.includes(bits)) return refusal(`has ${bits} bits`)
  if (rows % MULTIPLE !== 0 || columns % MULTIPLE !== 0) return refusal(`is ${rows} × ${columns}, not multiples of ${MULTIPLE}`)
  return columns % group === 0 ? undefined : refusal(`has groups of ${group}, which do not divide its ${columns} columns`)
}

/** The first version has no word for a zero of 0, and GPTQModel takes asymmetric layers of it from itself only. */
const SECOND = 'Write the checkpoint format gptq_v2: --checkpoint-format gptq_v2, or version of gptqSink.'

/** qweight packs codes along the inputs, qzeros along the outputs; scales are halves, (groups, outputs). */
const store =
  (versionFor: (symmetric: boolean) => GptqVersion) =>
  (tree: Encoded): StoredLinear | Refusal => {
    const matrix = affineMatrixOf(tree)
    if (!matrix) return refusal(whyNoMatrix(tree))
    const { rows, columns, bits, group, groups, codes } = matrix
    const symmetric = matrix.zeros === undefined
    const refused = refuses({ rows, columns, bits, group, symmetric })
    if (refused) return refused
    const scales = halfScales(matrix)
    if (!scales) return refusal('has scales that no half-precision number holds')
    const zeros = zerosOf(matrix)
    const less = versionFor(symmetric) === 'gptq' ? 1 : 0
    if (less === 1 && zeros.includes(0)) return { reason: 'has a zero of 0, which v1 cannot say', step: SECOND }
    const stored = transposed(
      zeros.map(zero => zero - less),
      rows,
      groups,
    )
    return {
      scheme: { bits, group, whole: group === columns, symmetric },
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

/** A pattern that only this module's name matches. */
const exactly = (name: string): string => `^${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`

/**
 * The layout of AutoGPTQ and GPTQModel, read by transformers and vLLM.
 * Without a version it is that of the first layer: the first for a symmetric one, else the second; it holds one folder.
 */
export const gptqLayout = (given?: GptqVersion): Layout => {
  let version = given
  const versionFor = (symmetric: boolean): GptqVersion => (version ??= symmetric ? 'gptq' : 'gptq_v2')
  return {
    title: given === 'gptq_v2' ? 'GPTQ v2' : 'GPTQ',
    mixed: false,
    store: store(versionFor),
    refuses,
    config: (layers, plain) => {
      const schemes = [...layers.values()]
      const { bits } = schemes[0] ?? { bits: 4 }
      const left = leftAlone(layers, plain).map(name => [`-:${exactly(name)}`, {}])
      const format = version ?? 'gptq'
      return {
        ...{ quant_method: 'gptq', checkpoint_format: format, format, bits, group_size: groupOf(schemes), desc_act: false },
        ...{ sym: schemes.every(({ symmetric }) => symmetric), lm_head: layers.has('lm_head'), pack_dtype: 'int32' },
        ...(left.length > 0 ? { dynamic: Object.fromEntries(left) } : {}),
        meta: { quantizer: ['tersor'] },
      } satisfies Json
    },
    files: quantization => ({ 'quantize_config.json': quantization }),
  }
}
