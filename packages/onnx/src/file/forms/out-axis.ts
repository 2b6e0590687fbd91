import { sizeOf } from '@tersor/tensor'

type Values = Int8Array | Uint8Array | Float32Array

/** Copies runs between (out, before, after) and (before, out, after). */
const moved = <T extends Values>(values: T, shape: readonly number[], axis: number, toFront: boolean): T => {
  if (axis === 0) return values
  const [outputs, after] = [shape[axis], sizeOf(shape.slice(axis + 1))]
  const before = sizeOf(shape.slice(0, axis))
  const result = new (values.constructor as new (length: number) => T)(values.length)
  for (let o = 0; o < outputs; o++)
    for (let b = 0; b < before; b++) {
      const [front, own] = [(o * before + b) * after, (b * outputs + o) * after]
      const [from, to] = toFront ? [own, front] : [front, own]
      result.set(values.subarray(from, from + after) as never, to)
    }
  return result
}

/** (out, rest) → the order of a shape whose outputs are at `axis`. */
export const inPlace = <T extends Values>(values: T, shape: readonly number[], axis: number): T => moved(values, shape, axis, false)

/** The order of a shape whose outputs are at `axis` → (out, rest). */
export const outputsFirst = <T extends Values>(values: T, shape: readonly number[], axis: number): T => moved(values, shape, axis, true)
