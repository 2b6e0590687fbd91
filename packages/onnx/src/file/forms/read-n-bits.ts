import { create } from '@bufbuild/protobuf'
import { matrixOf } from '@tersor/core'
import { bytesOf, sizeOf, unpackBits, dense } from '@tersor/tensor'
import { treeOf } from '@tersor/formats/internal/files/affine-matrix'
import { NodeProtoSchema, type NodeProto } from '../schema/onnx-ml_pb.js'
import { weightNameOf } from './part-name.js'
import { numberOf } from '../attributes.js'
import type { Reader } from './found-weight.js'

const WIDTHS: readonly number[] = [2, 4, 8]

/** The first `count` codes of each row, whose bytes begin anew. */
const unpackRows = (bytes: Uint8Array, rows: number, count: number, bits: number): Uint8Array => {
  const codes = new Uint8Array(rows * count)
  const stride = bytes.length / rows
  for (let row = 0; row < rows; row++) codes.set(unpackBits(bytes.subarray(row * stride, (row + 1) * stride), bits, count), row * count)
  return codes
}

/** What says how codes are stored. */
const LAYOUT: readonly string[] = ['K', 'N', 'bits', 'block_size']

/** The rest, such as `accuracy_level`, the precision that the runtime multiplies in. */
const attributesOf = ({ attribute }: NodeProto): Readonly<Record<string, number>> =>
  Object.fromEntries(attribute.filter(({ name }) => !LAYOUT.includes(name)).map(({ name, i }) => [name, Number(i)]))

const isSet = (name: string | undefined): boolean => name !== undefined && name !== ''

/** x · W, and a bias, in the place of MatMulNBits. */
const productOf =
  ({ name, input, output }: NodeProto) =>
  (weight: string): readonly NodeProto[] => {
    const [x, bias] = [input[0], input[5]]
    if (!isSet(bias)) return [create(NodeProtoSchema, { name, opType: 'MatMul', input: [x, weight], output })]
    const product = `${output[0]}_without_bias`
    return [
      create(NodeProtoSchema, { name, opType: 'MatMul', input: [x, weight], output: [product] }),
      create(NodeProtoSchema, { name: `${name}_bias`, opType: 'Add', input: [product, bias], output }),
    ]
  }

/** com.microsoft.MatMulNBits, as `storeNBits` writes it; other widths, zeros between codes and columns in another order are left alone. */
export const readNBits: Reader = (node, find) => {
  const [bits, block, columns, rows] = ['bits', 'block_size', 'K', 'N'].map(name => numberOf(node, name, 0))
  const [data, scale, zero] = node.input.slice(1, 4).map(find)
  const blocks = Math.ceil(columns / block)
  if (
    !WIDTHS.includes(bits) ||
    !(rows > 0 && columns > 0 && block > 0) ||
    isSet(node.input[4]) ||
    numberOf(node, 'weight_prepacked', 0) !== 0
  )
    return undefined
  if (data?.dtype !== 'u8' || bytesOf('u8', data.shape) !== (rows * blocks * block * bits) / 8) return undefined
  if (!scale || (scale.dtype !== 'f32' && scale.dtype !== 'f16') || sizeOf(scale.shape) !== rows * blocks) return undefined
  const zeroBytes = Math.ceil((blocks * bits) / 8)
  if (isSet(node.input[3]) && (zero?.dtype !== 'u8' || sizeOf(zero.shape) !== rows * zeroBytes)) return undefined
  const { dtype } = scale
  const shape = [columns, rows]
  return {
    attributes: attributesOf(node),
    ...{ name: weightNameOf(data.name), shape, dtype, form: 'MatMulNBits', codec: 'matrix', parts: [data, scale, ...(zero ? [zero] : [])] },
    product: productOf(node),
    read: ([codes, scales, zeros]) => {
      const tree = treeOf({
        ...{ rows, columns, bits, group: Math.min(block, columns), groups: blocks },
        codes: unpackRows(codes, rows, columns, bits),
        scale: dense(dtype, [rows, blocks], scales),
        ...(zeros ? { zeros: unpackRows(zeros, rows, blocks, bits) } : {}),
      })
      return matrixOf(tree, 1, shape)
    },
  }
}
