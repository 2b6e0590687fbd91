import { sizeOf } from '../shapes.js'
import type { Host, Shape } from '../trace-types.js'

/** Axes from the first one that is cut are rows of memory; the axes before it are counted through. */
function firstWholeAxis(shape: Shape, size: Shape): number {
  let axis = shape.length - 1
  while (axis > 0 && size[axis] === shape[axis]) axis--
  return axis
}

function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1]
  return strides
}

/** Slicing by copying runs of memory. */
export function copySlice(shape: Shape, begin: Shape, size: Shape): Host {
  return ([source], take) => {
    const output = take(source instanceof Float32Array ? 'float32' : source instanceof Int32Array ? 'int32' : 'bool', sizeOf(size))
    const cut = firstWholeAxis(shape, size)
    const strides = stridesOf(shape)
    const run = size[cut] * strides[cut]
    const counter = new Array<number>(cut).fill(0)
    const start = begin.reduce((offset, at, axis) => offset + at * strides[axis], 0)
    for (let offset = 0; offset < output.length; offset += run) {
      const from = counter.reduce((position, at, axis) => position + at * strides[axis], start)
      output.set(source.subarray(from, from + run), offset)
      for (let axis = cut - 1; axis >= 0; axis--) {
        if (++counter[axis] < size[axis]) break
        counter[axis] = 0
      }
    }
    return output
  }
}

/** Concatenation by copying runs of memory. */
export function copyConcat(shapes: readonly Shape[], axis: number): Host {
  return (parts, take) => {
    const [first] = parts
    const dtype = first instanceof Float32Array ? 'float32' : first instanceof Int32Array ? 'int32' : 'bool'
    const runs = shapes.map(shape => sizeOf(shape.slice(axis)))
    const outer = sizeOf(shapes[0].slice(0, axis))
    const output = take(
      dtype,
      parts.reduce((total, part) => total + part.length, 0),
    )
    let offset = 0
    for (let row = 0; row < outer; row++)
      parts.forEach((part, index) => {
        const run = runs[index]
        output.set(part.subarray(row * run, (row + 1) * run), offset)
        offset += run
      })
    return output
  }
}
