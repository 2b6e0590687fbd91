import { DTYPES, dense, fromIntegers, packBits, toInt32, type Encoded } from '@tersor/tensor'
import type { Refusal } from '../../files/refusal.js'
import type { Layout, StoredLinear } from './layout.js'

const STEP = 'Prune it with the pattern 2:4 and end with pack.'

/** Whether each aligned run of four columns keeps two. */
const keepsTwoOfFour = (mask: Int32Array, columns: number): boolean => {
  if (columns % 4 !== 0) return false
  for (let i = 0; i < mask.length; i += 4) if (mask[i] + mask[i + 1] + mask[i + 2] + mask[i + 3] !== 2) return false
  return true
}

const store = ({ codec, shape, parts: { mask, values } }: Encoded): StoredLinear | Refusal => {
  if (codec.name !== 'bitmask' || shape.length !== 2 || mask.kind !== 'dense')
    return { reason: `is ${codec.name}, not a packed mask`, step: STEP }
  if (values.kind !== 'dense' || DTYPES[values.dtype].kind !== 'float')
    return { reason: 'has kept weights that are no plain floats', step: STEP }
  const [rows, columns] = shape
  const kept = toInt32(mask)
  if (!keepsTwoOfFour(kept, columns)) return { reason: 'keeps other than two weights of each four', step: STEP }
  const bytes = Uint8Array.from(Array.from({ length: rows }, (_, row) => [...packBits(kept.subarray(row * columns, (row + 1) * columns), 1)]).flat()) // prettier-ignore
  return {
    scheme: { bits: DTYPES[values.dtype].bits, group: columns, whole: true, symmetric: true },
    tensors: {
      compressed: values,
      bitmask: dense('u8', [rows, Math.ceil(columns / 8)], bytes),
      shape: fromIntegers([rows, columns], 'i64', [2, 1]),
    },
  }
}

/** The 2:4 transport format of compressed-tensors: kept weights, and a bit for each weight. */
export const sparseLayout: Layout = {
  title: 'compressed-tensors (sparse-24-bitmask)',
  mixed: true,
  store,
  refuses: () => ({ reason: 'is a grid of codes, not a packed mask', step: STEP }),
  config: layers => ({
    ...{ quant_method: 'compressed-tensors', format: 'dense', quantization_status: 'compressed', ignore: [] },
    ...{ config_groups: {}, kv_cache_scheme: null, global_compression_ratio: null },
    sparsity_config: {
      ...{ format: 'sparse-24-bitmask', sparsity_structure: '2:4', global_sparsity: 0.5, registry_requires_subclass: false },
      ...{ targets: [...layers.keys()], ignore: [] },
    },
  }),
}
