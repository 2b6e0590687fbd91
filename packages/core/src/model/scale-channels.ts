import { fromFloat32, sizeOf, toFloat32, type Dense, type DType } from '@tersor/tensor'
import type { Channels } from './channels.js'

/** Multiplies channels, (value + offset) · factor − offset; the result is f32 where nothing else is asked for, so that nothing is rounded to fewer bits. */
export const scaleChannels = (
  parameter: Dense,
  { axis, start = 0, count, offset = 0 }: Channels,
  factor: (channel: number) => number,
  dtype: DType = 'f32',
): Dense => {
  const { shape } = parameter
  const values = toFloat32(parameter)
  const after = sizeOf(shape.slice(axis + 1))
  const factors = Float64Array.from({ length: shape[axis] }, (_, at) => (at >= start && at < start + count ? factor(at - start) : 1))
  for (let from = 0, at = 0; from < values.length; from += after, at = (at + 1) % factors.length)
    if (at >= start && at < start + count) for (let i = from; i < from + after; i++) values[i] = (values[i] + offset) * factors[at] - offset
  return fromFloat32(values, dtype, shape)
}
