import { bitmaskOf } from '@tersor/core/bitmask'
import { codebookOf } from '@tersor/core/codebook'
import { powersOf } from '@tersor/core/powers'
import { scaledOf } from '@tersor/core/scaled'
import { sizeOf, toFloat32, toInt32, unpackBits, type Dense, type ParameterStore } from '@tersor/tensor'
import { badFile } from '../../files/bad-file.js'
import { basesOf, expectDType, expectShape, INPUT_GRID, matrixShape, type QuantizedLayer } from './reader.js'

const FLOATS = ['f32', 'f16', 'bf16'] as const

/** Codes of 4-bit floats, two in a byte. */
const e2m1Layer = (
  store: ParameterStore,
  base: string,
  group: number,
  scales: { readonly dtype: string; readonly parts: readonly string[]; readonly read: QuantizedLayer['read'] },
): QuantizedLayer => {
  const [rows, bytes] = matrixShape(store, `${base}.weight_packed`)
  expectDType(store, `${base}.weight_packed`, ['u8'])
  const shape = [rows, 2 * bytes]
  if (shape[1] % group !== 0) throw badFile(`"${base}.weight_packed" has ${shape[1]} columns, not a multiple of ${group}.`)
  expectShape(store, `${base}.weight_scale`, [rows, shape[1] / group])
  expectDType(store, `${base}.weight_scale`, [scales.dtype])
  return {
    ...{ shape, codec: 'codebook', parts: ['weight_packed', ...scales.parts], beside: INPUT_GRID },
    read: async tensor => {
      const codes = unpackBits((await tensor('weight_packed')).bytes, 4, sizeOf(shape))
      return codebookOf({ shape, table: 'e2m1', block: group, codes, scale: await scales.read(tensor) })
    },
  }
}

export const nvfp4Layer = (store: ParameterStore, base: string): QuantizedLayer => {
  const whole = `${base}.weight_global_scale`
  expectShape(store, whole, [1])
  expectDType(store, whole, ['f32'])
  return e2m1Layer(store, base, 16, {
    ...{ dtype: 'f8e4m3', parts: ['weight_scale', 'weight_global_scale'] },
    read: async tensor => {
      const [divisor] = toFloat32(await tensor('weight_global_scale'))
      const factor = Math.fround(1 / divisor)
      if (!(factor > 0 && Number.isFinite(factor))) throw badFile(`"${whole}" is ${divisor}, expected a number above 0.`)
      return scaledOf(await tensor('weight_scale'), [factor])
    },
  })
}

export const mxfp4Layer = (store: ParameterStore, base: string): QuantizedLayer =>
  e2m1Layer(store, base, 32, {
    ...{ dtype: 'u8', parts: ['weight_scale'] },
    read: async tensor => {
      const exponents = await tensor('weight_scale')
      return powersOf(toInt32(exponents), exponents.shape)
    },
  })

/** Holds the counts of a mask against the weights that are there; gives these. */
const checkedAgainst = (values: Dense, mask: Uint8Array, rows: number, columns: number): Dense => {
  const kept = values.shape[1]
  for (let row = 0; row < rows; row++) {
    const count = mask.subarray(row * columns, (row + 1) * columns).reduce((sum, bit) => sum + bit, 0)
    if (count !== kept) throw badFile(`Row ${row} of a bitmask keeps ${count} weights, expected ${kept}.`)
  }
  return values
}

const sparseLayer = async (store: ParameterStore, base: string): Promise<QuantizedLayer> => {
  expectShape(store, `${base}.shape`, [2, 1])
  expectDType(store, `${base}.shape`, ['i64'])
  const stored = await store.read(`${base}.shape`)
  if (stored.kind !== 'dense') throw badFile(`"${base}.shape" is no plain tensor.`)
  const [rows, columns] = toInt32(stored)
  const [height, half] = matrixShape(store, `${base}.compressed`)
  expectDType(store, `${base}.compressed`, FLOATS)
  if (height !== rows || 2 * half !== columns)
    throw badFile(`"${base}.compressed" is [${height}, ${half}], which does not hold half of ${rows} × ${columns} weights.`)
  const bytes = Math.ceil(columns / 8)
  expectShape(store, `${base}.bitmask`, [rows, bytes])
  expectDType(store, `${base}.bitmask`, ['u8'])
  return {
    ...{ shape: [rows, columns], codec: 'bitmask', parts: ['compressed', 'bitmask', 'shape'] },
    read: async tensor => {
      const packed = (await tensor('bitmask')).bytes
      const mask = new Uint8Array(rows * columns)
      for (let row = 0; row < rows; row++) mask.set(unpackBits(packed.subarray(row * bytes, (row + 1) * bytes), 1, columns), row * columns)
      const values = await tensor('compressed')
      return bitmaskOf(mask, [rows, columns], checkedAgainst(values, mask, rows, columns))
    },
  }
}

/** The layers of a folder of 2:4 sparse weights. Throws BAD_FILE. */
export const sparseLayers = async (store: ParameterStore): Promise<ReadonlyMap<string, QuantizedLayer>> => {
  const layers = new Map<string, QuantizedLayer>()
  for (const base of basesOf(store, 'bitmask')) layers.set(base, await sparseLayer(store, base))
  return layers
}
