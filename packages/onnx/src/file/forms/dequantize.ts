import { dense, fromFloat32, fromIntegers, packBits, toFloat32, type Dense, type DType } from '@tersor/tensor'
import type { AffineMatrix } from '@tersor/formats/internal/files/affine-matrix'
import { MICROSOFT } from '../build.js'
import { scalesIn, widened } from './grid.js'
import { inPlace } from './out-axis.js'
import { inputsFirst, type Place, type Store, type Stored } from './stored.js'

const WIDTHS: readonly number[] = [4, 8]

/** ONNX added elements of 4 bits to its files here. */
const IR_OF_4_BITS = 10

/** Versions that DequantizeLinear came with: a scale for each output, halves, blocks and 4 bits. */
export const OPSETS = { tensor: 10, axis: 13, half: 19, block: 21 } as const

/** Weights that stand by themselves have a scale for runs of a row from here on. */
export const OPSET_OF_GROUPS = OPSETS.block

/** ONNX Runtime has the operator in its own domain too, without blocks, for graphs that are older than it. */
export const domainFor = (needed: number, opset: number): string => (needed <= opset ? '' : MICROSOFT)

/** Codes without zeros of their own are signed around 0, others unsigned. */
export const integerCodes = ({ codes, zeros, bits }: AffineMatrix): { readonly values: Int8Array | Uint8Array; readonly dtype: DType } =>
  zeros ? { values: codes, dtype: bits === 4 ? 'u4' : 'u8' } : { values: Int8Array.from(codes, code => code - 2 ** (bits - 1)), dtype: bits === 4 ? 'i4' : 'i8' } // prettier-ignore

const integers = (values: ArrayLike<number>, dtype: DType, shape: readonly number[]): Dense =>
  dtype === 'i4' || dtype === 'u4' ? dense(dtype, shape, packBits(values, 4)) : fromIntegers(values, dtype, shape)

const isWhole = ({ rows, groups, scale, zeros }: AffineMatrix): boolean => {
  if (groups !== 1 || rows === 1) return false
  const first = toFloat32(scale)
  return first.every(value => value === first[0]) && (zeros?.every(zero => zero === zeros[0]) ?? true)
}

/** How far the scales reach: attributes of DequantizeLinear and the shape of its scale. */
const reach = (grid: AffineMatrix, { outAxis, shape }: Place) => {
  const { rows, groups, group } = grid
  if (isWhole(grid)) return { shape: [], attributes: {}, count: 1 }
  if (groups === 1) return { shape: [rows], attributes: { axis: outAxis }, count: rows }
  if (shape.length !== 2) return undefined
  const scaleShape = outAxis === 0 ? [rows, groups] : [groups, rows]
  return { shape: scaleShape, attributes: { axis: 1 - outAxis, block_size: group }, count: rows * groups }
}

/**
 * DequantizeLinear over codes in the weight's own shape, packed two in a byte up to 4 bits: value = (code − zero) · scale, with one scale
 * for all, for each output, or for each run of `group` inputs (block_size, from opset 21 on).
 */
export const storeDequantized: Store<AffineMatrix> = async (matrix, place, target) => {
  const grid = widened(matrix, WIDTHS)!
  const { rows, groups, zeros, bits } = grid
  const { name, shape, outAxis } = place
  const reached = reach(grid, place)
  if (!reached) return { reason: `has groups of ${grid.group} in a tensor of ${shape.length} axes`, step: 'Quantize it by rows.' }
  const scale = scalesIn(grid, target.float)
  if (!scale) return { reason: 'has scales that no half-precision number holds', step: 'Write it with floats of 32 bits.' }
  const { values, dtype } = integerCodes(grid)
  const scaleShape = outAxis === 0 ? [rows, groups] : [groups, rows]
  const scales = inPlace(toFloat32(scale), scaleShape, outAxis && 1).subarray(0, reached.count)
  const inputs = [
    await target.write(`${name}_quantized`, integers(inPlace(values, shape, outAxis), dtype, shape)),
    await target.write(`${name}_scale`, fromFloat32(scales, target.float, reached.shape)),
    ...(zeros
      ? [
          await target.write(
            `${name}_zero_point`,
            integers(inPlace(zeros, scaleShape, outAxis && 1).subarray(0, reached.count), dtype, reached.shape),
          ),
        ]
      : []),
  ]
  const isBlocked = 'block_size' in reached.attributes
  const needed = bits === 4 ? OPSETS.block : target.float === 'f16' ? OPSETS.half : OPSETS.axis
  const options = { attributes: reached.attributes, domain: isBlocked ? '' : domainFor(needed, target.opset) }
  const value: Stored['value'] & {} = graph => graph.op('DequantizeLinear', inputs, options)
  return {
    bits,
    ...(isBlocked ? { opset: OPSETS.block } : {}),
    ...(bits === 4 ? { ir: IR_OF_4_BITS } : {}),
    value,
    product: (graph, x) => graph.op('MatMul', [x, inputsFirst(graph, value(graph), outAxis)]),
  }
}
