import type * as tf from '@tensorflow/tfjs-core'
import { lendArray } from './lend-array.js'

/** A rectangle of a row-major matrix whose rows lie `stride` apart. */
export interface MatrixBlock {
  readonly values: Float32Array
  readonly stride: number
  readonly row: number
  readonly column: number
  readonly rows: number
  readonly columns: number
}

const rowOf = ({ values, stride, row, column, columns }: MatrixBlock, index: number): Float32Array => {
  const at = (row + index) * stride + column
  return values.subarray(at, at + columns)
}

/** The block as a matrix of its own, (rows, columns), at the beginning of `target`. */
export function copyOfBlock(block: MatrixBlock, target?: Float32Array): Float32Array {
  const { rows, columns } = block
  const copy = target ? target.subarray(0, rows * columns) : new Float32Array(rows * columns)
  for (let index = 0; index < rows; index++) copy.set(rowOf(block, index), index * columns)
  return copy
}

/** The block on the engine, by way of `target` where given, which must stay as it is until the tensor is disposed of. */
export const tensorOfBlock = (block: MatrixBlock, target?: Float32Array): tf.Tensor2D =>
  lendArray(copyOfBlock(block, target), [block.rows, block.columns])

/** Reads the matrix into the block and disposes of it. */
export async function writeBlock(block: MatrixBlock, tensor: tf.Tensor2D): Promise<void> {
  const { rows, columns } = block
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  for (let index = 0; index < rows; index++) rowOf(block, index).set(values.subarray(index * columns, (index + 1) * columns))
}
