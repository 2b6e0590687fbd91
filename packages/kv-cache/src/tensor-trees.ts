import { fromFloat32, fromIntegers, type Dense } from '@tersor/tensor'
import type { Tensor } from '@tensorflow/tfjs-core'

const LARGEST_HALF = 65504

/** Numbers of a tensor in 16 bits, or in 32 where one is beyond them; the tensor is disposed. */
export const halvesOf = async (x: Tensor): Promise<Dense> => {
  try {
    const values = await x.data<'float32'>()
    return fromFloat32(values, values.every(value => Math.abs(value) <= LARGEST_HALF) ? 'f16' : 'f32', x.shape)
  } finally {
    x.dispose()
  }
}

/** Places below a length in as few bytes as hold them; the tensor is disposed. */
export const placesOf = async (x: Tensor, length: number): Promise<Dense> => {
  try {
    return fromIntegers(await x.data<'int32'>(), length <= 2 ** 8 ? 'u8' : length <= 2 ** 16 ? 'u16' : 'u32', x.shape)
  } finally {
    x.dispose()
  }
}
