import { blockScaledOf, scaledOf } from '@tersor/core/scaled'
import { DTYPES, sizeOf, toFloat32, type Dense, type Encoded, type ParameterStore, type Shape } from '@tersor/tensor'
import { badFile } from '../../files/bad-file.js'
import type { Json } from '../../files/json-text.js'
import { basesOf, INPUT_GRID, matrixShape, type QuantizedLayer } from './reader.js'

/** Height and width of the blocks of a matrix that share a scale. */
export type Block = readonly [height: number, width: number]

/** What DeepSeek and Qwen publish; a folder that names no block has this one or none. */
const USUAL_BLOCK: Block = [128, 128]

const isExtent = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 1

/** The block that a config names; undefined where it names none. Throws BAD_FILE. */
export const blockOf = (value: unknown, field: string): Block | undefined => {
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.length === 2 && value.every(isExtent)) return [value[0], value[1]] as Block
  throw badFile(`The quantization's "${field}" is ${JSON.stringify(value)}, expected two whole numbers above 0.`)
}

const isShape = (shape: Shape, ...expected: Shape): boolean =>
  shape.length === expected.length && shape.every((extent, axis) => extent === expected[axis])

type Build = (values: Dense, scales: Float32Array) => Encoded

/** How the scales of a matrix lie, told by their shape: one for each block, one for all, or one a row. Throws BAD_FILE. */
const buildOf = (shape: Shape, [rows, columns]: Block, name: string, declared: Block | undefined): Build => {
  const block = declared ?? USUAL_BLOCK
  const blocks = [Math.ceil(rows / block[0]), Math.ceil(columns / block[1])]
  if (sizeOf(shape) === 1 && sizeOf(blocks) !== 1) return (values, scales) => scaledOf(values, scales)
  if (declared && isShape(shape, ...blocks)) return (values, scales) => blockScaledOf(values, scales, block)
  if (sizeOf(shape) === 1 || isShape(shape, rows) || isShape(shape, rows, 1)) return (values, scales) => scaledOf(values, scales)
  if (isShape(shape, ...blocks)) return (values, scales) => blockScaledOf(values, scales, block)
  throw badFile(
    `"${name}" is [${shape.join(', ')}], which gives ${rows} × ${columns} values neither one scale, nor one a row, nor one for each block of ${block.join(' × ')}.`,
  )
}

/** A matrix of 8-bit floats under the scales of the tensor `base.suffix`. Throws BAD_FILE where shapes or dtypes do not agree. */
export const fp8Layer = (store: ParameterStore, base: string, suffix: string, declared?: Block): QuantizedLayer => {
  const [weight, scale] = [`${base}.weight`, `${base}.${suffix}`]
  const [rows, columns] = matrixShape(store, weight)
  const { dtype } = store.info(weight)
  if (dtype !== 'f8e4m3' && dtype !== 'f8e5m2') throw badFile(`"${weight}" is ${dtype ?? 'a tree'}, expected f8e4m3 or f8e5m2.`)
  const { shape, dtype: stored } = store.info(scale)
  if (stored === undefined || DTYPES[stored].kind !== 'float') throw badFile(`"${scale}" is ${stored ?? 'a tree'}, expected floats.`)
  const build = buildOf(shape, [rows, columns], scale, declared)
  return {
    ...{ shape: [rows, columns], codec: 'scaled', parts: ['weight', suffix], beside: INPUT_GRID },
    read: async tensor => {
      const scales = toFloat32(await tensor(suffix))
      const wrong = scales.find(value => !Number.isFinite(value))
      if (wrong !== undefined) throw badFile(`"${scale}" holds ${wrong}, expected finite scales.`)
      return build(await tensor('weight'), scales)
    },
  }
}

/** Both names say what values are multiplied by. */
const SUFFIXES = ['weight_scale_inv', 'weight_scale'] as const

/** The layers of a folder of 8-bit floats ("fp8", "fbgemm_fp8"). Throws BAD_FILE. */
export const fp8Layers = (store: ParameterStore, config: Json): ReadonlyMap<string, QuantizedLayer> => {
  const declared = blockOf(config.weight_block_size, 'weight_block_size')
  return new Map(SUFFIXES.flatMap(suffix => basesOf(store, suffix).map(base => [base, fp8Layer(store, base, suffix, declared)] as const)))
}
