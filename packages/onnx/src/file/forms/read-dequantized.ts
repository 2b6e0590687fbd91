import { matrixOf } from '@tersor/core'
import { dense, DTYPES, fromFloat32, sizeOf, toFloat32, toInt32, type Dense, type DType } from '@tersor/tensor'
import { treeOf } from '@tersor/formats/internal/files/affine-matrix'
import { transposed } from '@tersor/formats/internal/files/pack-words'
import type { GraphProto, NodeProto } from '../schema/onnx-ml_pb.js'
import { parameterOf, type OnnxTensor } from '../tensors.js'
import { weightNameOf } from './part-name.js'
import { numberOf } from '../attributes.js'
import { outputsFirst } from './out-axis.js'
import type { Reader } from './found-weight.js'

const CODES: readonly (DType | undefined)[] = ['u2', 'i4', 'u4', 'i8', 'u8']

/** Where the outputs stand in a weight with one scale for all: as the first node that multiplies by it has them. */
const outAxisIn = ({ node }: GraphProto, value: string): 0 | 1 => {
  const user = node.find(({ input }) => input[1] === value)
  if (user?.opType === 'MatMul') return 1
  return user?.opType === 'Gemm' && numberOf(user, 'transB', 0) === 0 ? 1 : 0
}

interface Reach {
  readonly outAxis: number
  readonly group: number
  /** Scales stand as (groups, rows) in a weight (in, out). */
  readonly turned: boolean
}

/** How far each scale reaches; undefined where that is no run of a row's columns. */
const reachOf = (node: NodeProto, { shape }: OnnxTensor, scale: OnnxTensor, graph: GraphProto): Reach | undefined => {
  const axis = numberOf(node, 'axis', 1)
  const block = numberOf(node, 'block_size', 0)
  const at = axis < 0 ? axis + shape.length : axis
  const isMatrix = shape.length === 2
  const rest = (outAxis: number): number => sizeOf(shape) / shape[outAxis]
  if (sizeOf(scale.shape) === 1 && block === 0) {
    const outAxis = isMatrix ? outAxisIn(graph, node.output[0]) : 0
    return { outAxis, group: rest(outAxis), turned: false }
  }
  if (block === 0)
    return at >= 0 && at < shape.length && sizeOf(scale.shape) === shape[at] ? { outAxis: at, group: rest(at), turned: false } : undefined
  if (!isMatrix || (at !== 0 && at !== 1)) return undefined
  const outAxis = at === 0 ? 1 : 0
  const fits = scale.shape[at] === Math.ceil(shape[at] / block) && scale.shape[outAxis] === shape[outAxis] && scale.shape.length === 2
  return fits ? { outAxis, group: Math.min(block, shape[at]), turned: outAxis === 1 } : undefined
}

/** Codes from 0 on, those of signed types moved by half of their range. */
const unsigned = (codes: Dense): Uint8Array => {
  const { kind, bits } = DTYPES[codes.dtype]
  const shift = kind === 'signed' ? 2 ** (bits - 1) : 0
  return Uint8Array.from(toInt32(codes), code => code + shift)
}

/** DequantizeLinear over a constant weight, as `storeDequantized` and others write it; what reaches over other axes is left alone. */
export const readDequantized: Reader = (node, find, graph) => {
  const [data, scale, zero] = [0, 1, 2].map(i => find(node.input[i]))
  if (!data || !CODES.includes(data.dtype) || data.shape.length < 2 || data.shape.includes(0)) return undefined
  if (!scale || (scale.dtype !== 'f32' && scale.dtype !== 'f16')) return undefined
  const hasZero = node.input[2] !== undefined && node.input[2] !== ''
  if (hasZero && (!zero || zero.dtype !== data.dtype || sizeOf(zero.shape) !== sizeOf(scale.shape))) return undefined
  const reach = reachOf(node, data, scale, graph)
  if (!reach) return undefined
  const { shape } = data
  const { outAxis, group, turned } = reach
  const rows = shape[outAxis]
  const columns = sizeOf(shape) / rows
  const groups = Math.ceil(columns / group)
  const { kind, bits } = DTYPES[data.dtype!]
  const isWhole = sizeOf(scale.shape) === 1
  /** (rows, groups). */
  const inRows = <T extends Uint8Array | Float32Array>(values: T): T => {
    if (isWhole) return new (values.constructor as new (length: number) => T)(rows).fill(values[0]) as T
    return turned ? transposed(values, groups, rows) : values
  }
  return {
    ...{ name: weightNameOf(data.name), shape, dtype: scale.dtype, form: 'QDQ', parts: [data, scale, ...(zero ? [zero] : [])] },
    codec: shape.length === 2 && outAxis === 0 ? 'affine' : 'matrix',
    read: ([codes, scales, zeros]) => {
      const matrix = unsigned(parameterOf(data, codes))
      const points = zeros && zero ? unsigned(dense(zero.dtype!, zero.shape, zeros)) : undefined
      const zerosAtStart = kind === 'unsigned' ? new Uint8Array(sizeOf(scale.shape)) : undefined
      const tree = treeOf({
        ...{ rows, columns, bits, group, groups },
        codes: outputsFirst(matrix, shape, outAxis),
        scale: fromFloat32(inRows(toFloat32(dense(scale.dtype!, scale.shape, scales))), scale.dtype!, [rows, groups]),
        ...(points || zerosAtStart ? { zeros: inRows(points ?? zerosAtStart!) } : {}),
      })
      return matrixOf(tree, outAxis, shape)
    },
  }
}
