import { CompressionError, fromFloat32, toFloat32, type ParameterStore } from '@tersor/tensor'
import { badFile, oneLine } from '../../files/bad-file.js'
import type { Json } from '../../files/json-text.js'
import { treeOf } from '../../files/affine-matrix.js'
import { INTERLEAVE } from './awq-layout.js'
import { basesOf, expectShape, has, type QuantizedLayer } from './reader.js'
import { transposed, unpackRows } from '../../files/pack-words.js'

const BITS = 4
const LANES = 8

const groupOf = (config: Json): number => {
  const { bits, group_size: group, version = 'gemm' } = config
  if (bits !== BITS || version !== 'gemm') {
    const what = oneLine(`The folder is AWQ ${JSON.stringify(version)} of ${JSON.stringify(bits)} bits.`)
    throw new CompressionError('UNSUPPORTED', what, 'Known is "gemm" of 4 bits: take the original weights, or save the model so.', {
      bits,
      version,
    })
  }
  if (typeof group === 'number' && Number.isInteger(group) && (group >= 1 || group === -1)) return group
  throw badFile(`The quantization's "group_size" is ${JSON.stringify(group)}, expected -1 or a whole number above 0.`)
}

const restore = (codes: Uint8Array): Uint8Array => {
  const result = new Uint8Array(codes.length)
  for (let at = 0; at < codes.length; at++) result[at - (at % LANES) + INTERLEAVE[at % LANES]] = codes[at]
  return result
}

/** The quantized layers of an AWQ folder. Throws BAD_FILE where shapes do not agree, UNSUPPORTED for other versions. */
export const awqLayers = (store: ParameterStore, config: Json): ReadonlyMap<string, QuantizedLayer> => {
  const wanted = groupOf(config)
  const layer = (base: string): QuantizedLayer => {
    const [columns, words = 0] = store.info(`${base}.qweight`).shape
    const rows = words * LANES
    const group = wanted === -1 ? columns : Math.min(wanted, columns)
    const groups = Math.ceil(columns / Math.max(1, group))
    expectShape(store, `${base}.qweight`, [columns, words])
    expectShape(store, `${base}.qzeros`, [groups, words])
    expectShape(store, `${base}.scales`, [groups, rows])
    const unpack = (bytes: Uint8Array, count: number) => transposed(restore(unpackRows(bytes, count, rows, BITS)), count, rows)
    return {
      shape: [rows, columns],
      parts: ['qweight', 'qzeros', 'scales'],
      read: async tensor => {
        const [qweight, qzeros, scales] = [await tensor('qweight'), await tensor('qzeros'), await tensor('scales')]
        return treeOf({
          ...{ rows, columns, bits: BITS, group, groups },
          codes: unpack(qweight.bytes, columns),
          scale: fromFloat32(transposed(toFloat32(scales), groups, rows), scales.dtype === 'f16' ? 'f16' : 'f32', [rows, groups]),
          zeros: unpack(qzeros.bytes, groups),
        })
      },
    }
  }
  return new Map(basesOf(store, 'qweight').map(base => [base, layer(base)]))
}

/** The layers of a folder that holds AWQ's tensors and no description of them: the rows of their scales tell the group. Throws BAD_FILE. */
export const undescribedAwqLayers = (store: ParameterStore): ReadonlyMap<string, QuantizedLayer> => {
  const [base] = basesOf(store, 'qweight')
  const [columns = 0] = store.info(`${base}.qweight`).shape
  const [groups = 0] = has(store, `${base}.scales`) ? store.info(`${base}.scales`).shape : []
  if (groups === 0 || columns % groups !== 0)
    throw badFile(`"${base}" has codes of AWQ, whose group its shapes do not tell.`, 'Put its quant_config.json into the folder.')
  return awqLayers(store, { bits: BITS, group_size: columns / groups })
}
