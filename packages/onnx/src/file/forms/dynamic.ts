import { fromFloat32, fromIntegers, toFloat32 } from '@tersor/tensor'
import { zerosOf, type AffineMatrix } from '@tersor/formats/internal/files/affine-matrix'
import { transposed } from '@tersor/formats/internal/files/pack-words'
import { scalesIn, widened } from './grid.js'
import type { Store } from './stored.js'

const WIDTHS: readonly number[] = [8]

/**
 * MatMulInteger on inputs that are rounded to 8 bits as they come: y = scale(x) · scale(w) · Σ (x − zero(x)) · (w − zero(w)).
 * Weights are (in, out) and unsigned, since signed ones saturate on processors without VNNI.
 */
export const storeDynamic: Store<AffineMatrix> = async (matrix, { name }, target) => {
  const grid = widened(matrix, WIDTHS)!
  const { rows, columns, groups, codes } = grid
  if (groups !== 1) return { reason: `has groups of ${grid.group}, not a scale a row`, step: 'Quantize it by rows of up to 8 bits.' }
  const scale = scalesIn(grid, 'f32')!
  const inputs = {
    data: await target.write(`${name}_quantized`, fromIntegers(transposed(codes, rows, columns), 'u8', [columns, rows])),
    scale: await target.write(`${name}_scale`, fromFloat32(toFloat32(scale), 'f32', [rows])),
    zero: await target.write(`${name}_zero_point`, fromIntegers(zerosOf(grid), 'u8', [rows])),
  }
  const half = target.float === 'f16'
  return {
    bits: 8,
    opset: 11,
    product: (graph, x) => {
      const wide = half ? graph.cast(x, 'f32') : x
      const [rounded, step, zero] = graph.ops('DynamicQuantizeLinear', [wide], { outputs: 3 })
      const sums = graph.cast(graph.op('MatMulInteger', [rounded, inputs.data, zero, inputs.zero]), 'f32')
      const y = graph.op('Mul', [sums, graph.op('Mul', [step, inputs.scale])])
      return half ? graph.cast(y, 'f16') : y
    },
  }
}
