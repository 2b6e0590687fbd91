import * as tf from '@tensorflow/tfjs-core'
import { scaleDTypeOf } from '@tersor/core'
import { packCodes, roomForCodes } from '@tersor/kernels/pack-codes'
import { dense, fromFloat32, type Dense, type DType, type Shape } from '@tersor/tensor'

/** What is as good as no extent. */
const SMALLEST = 1e-10

/** (out, in) → (out, groups, bucket), the last weight of a row again behind it. */
export const inBuckets = (weight: tf.Tensor, bucket: number): tf.Tensor3D => {
  const [rows, columns] = weight.shape
  const width = Math.min(bucket, columns)
  const groups = Math.ceil(columns / width)
  const places = Array.from({ length: groups * width }, (_, column) => Math.min(column, columns - 1))
  const filled = places.length === columns ? weight : tf.gather(weight, places, 1)
  return tf.reshape(filled, [rows, groups, width])
}

/** And back. */
export const outOfBuckets = (buckets: tf.Tensor, [rows, columns]: Shape): tf.Tensor =>
  tf.slice(tf.reshape(buckets, [rows, -1]), [0, 0], [rows, columns])

/** Where the weights of each bucket lie, (out, groups, 1). */
export interface Ranges {
  readonly minimum: tf.Tensor
  /** From the least to the largest; 1 where they are the same. */
  readonly extent: tf.Tensor
}

export const rangesOf = (buckets: tf.Tensor): Ranges => {
  const minimum = tf.min(buckets, 2, true)
  const extent = tf.sub(tf.max(buckets, 2, true), minimum)
  return { minimum, extent: tf.where(tf.less(extent, SMALLEST), tf.onesLike(extent), extent) }
}

/** Numbers of buckets as they are stored, (out, groups): halves where none loses more than a half's last bits. */
export const storedNumbers = async (perBucket: tf.Tensor): Promise<Dense> => {
  const values = await perBucket.data<'float32'>()
  return fromFloat32(values, scaleDTypeOf(values), perBucket.shape.slice(0, 2))
}

/** Whole numbers below 2^bits as they are stored; on all threads. */
export const storedCodes = async (codes: tf.Tensor, bits: number): Promise<Dense> => {
  const room = roomForCodes(codes.size)
  room.set(await codes.data<'int32'>())
  return dense(`u${bits}` as DType, codes.shape, await packCodes(room, bits))
}
