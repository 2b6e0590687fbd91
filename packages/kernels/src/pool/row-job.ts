/** Typed arrays that kernels work on. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | Int8Array

/**
 * What a row job reads or writes. A row is whatever the job is cut into: rows of a matrix, blocks, runs.
 * `in` and `out` arrays have `each` elements a row, the last row may be shorter; `whole` arrays are seen whole by every row;
 * `room` is space for so many elements a row, which nobody sees afterwards.
 */
export type RowBuffer =
  | { readonly role: 'in' | 'out'; readonly array: Numbers; readonly each: number }
  | { readonly role: 'whole'; readonly array: Numbers }
  | { readonly role: 'room'; readonly bytes: number; readonly each: number }

/** An argument of a kernel: a number, where a buffer lies, how many elements of it these rows have, how many rows, or the first one's index. */
export type RowArgument = number | { readonly at: string } | { readonly lengthOf: string } | 'rows' | 'first'

/** Kernels run one after the other over the same rows while these lie in the nearest caches. */
export interface RowJob {
  readonly rows: number
  /** Rows that go through at once. Results must not depend on it. */
  readonly atOnce: number
  readonly buffers: Readonly<Record<string, RowBuffer>>
  readonly calls: readonly (readonly [kernel: string, ...values: RowArgument[]])[]
}

/** What an instance of the WebAssembly module exports. */
export interface KernelInstance {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly [kernel: string]: unknown
}

/**
 * Makes room in an instance for a job and gives the function that runs one part of it, `atOnce` rows.
 * This file is compiled into the code of workers as it stands, and so imports nothing.
 */
export const partsOf = (instance: KernelInstance, { rows, atOnce, buffers, calls }: RowJob): ((part: number) => void) => {
  const ALIGNMENT = 16
  const PAGE = 65_536
  const most = Math.min(rows, atOnce)
  const places = new Map<string, number>()
  let end = instance.heapBase()
  for (const [name, buffer] of Object.entries(buffers)) {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    places.set(name, at)
    const width = buffer.role === 'room' ? buffer.bytes : buffer.array.BYTES_PER_ELEMENT
    // kernels may read or write part of a vector behind the last element
    end = at + (buffer.role === 'whole' ? buffer.array.length : most * buffer.each) * width + ALIGNMENT
  }
  const missing = end - instance.memory.buffer.byteLength
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE))
  const memory = new Uint8Array(instance.memory.buffer)
  const bytesOf = (array: Numbers): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (const [name, buffer] of Object.entries(buffers)) if (buffer.role === 'whole') memory.set(bytesOf(buffer.array), places.get(name))

  const lengthOf = (buffer: RowBuffer, first: number, count: number): number => {
    if (buffer.role === 'whole') return buffer.array.length
    return buffer.role === 'room' ? count * buffer.each : Math.min(buffer.array.length, (first + count) * buffer.each) - first * buffer.each
  }
  const valueOf = (argument: RowArgument, first: number, count: number): number => {
    if (typeof argument === 'number') return argument
    if (argument === 'rows') return count
    if (argument === 'first') return first
    return 'at' in argument ? places.get(argument.at)! : lengthOf(buffers[argument.lengthOf], first, count)
  }
  const copy = (role: 'in' | 'out', first: number, count: number): void => {
    for (const [name, buffer] of Object.entries(buffers)) {
      if (buffer.role !== role) continue
      const { array, each } = buffer
      const [from, to] = [first * each, first * each + lengthOf(buffer, first, count)]
      const [inside, outside] = [places.get(name)!, bytesOf(array).subarray(from * array.BYTES_PER_ELEMENT, to * array.BYTES_PER_ELEMENT)]
      if (role === 'in') memory.set(outside, inside)
      else outside.set(memory.subarray(inside, inside + outside.length))
    }
  }
  return part => {
    const first = part * atOnce
    const count = Math.min(atOnce, rows - first)
    copy('in', first, count)
    for (const [kernel, ...values] of calls)
      (instance[kernel] as (...numbers: number[]) => void)(...values.map(value => valueOf(value, first, count)))
    copy('out', first, count)
  }
}
