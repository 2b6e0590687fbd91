/** Typed arrays that kernels work on. */
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | Int8Array

/** Whether a job reads a buffer, fills it, or changes it. */
export type Direction = 'in' | 'out' | 'both'

/**
 * What a row job reads or writes. A row is whatever the job is cut into: rows of a matrix, blocks, runs, columns.
 * Arrays of a direction have `each` elements a row from `offset` on, `stride` apart where they do not follow one another, and the last row may
 * be shorter; or a row is a column through `lines` lines, `stride` apart, and a kernel sees (lines, rows). `whole` arrays are seen whole by
 * every row; `room` is space for so many elements a row, which nobody sees afterwards.
 */
export type RowBuffer =
  | { readonly role: Direction; readonly array: Numbers; readonly each: number; readonly stride?: number; readonly offset?: number }
  | { readonly role: Direction; readonly array: Numbers; readonly lines: number; readonly stride: number; readonly offset?: number }
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
  const perRow = (buffer: Exclude<RowBuffer, { role: 'whole' }>): number => ('lines' in buffer ? buffer.lines : buffer.each)
  let end = instance.heapBase()
  for (const [name, buffer] of Object.entries(buffers)) {
    const at = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    places.set(name, at)
    const width = buffer.role === 'room' ? buffer.bytes : buffer.array.BYTES_PER_ELEMENT
    // kernels may read or write part of a vector behind the last element
    end = at + (buffer.role === 'whole' ? buffer.array.length : most * perRow(buffer)) * width + ALIGNMENT
  }
  const missing = end - instance.memory.buffer.byteLength
  if (missing > 0) instance.memory.grow(Math.ceil(missing / PAGE))
  const memory = new Uint8Array(instance.memory.buffer)
  const bytesOf = (array: Numbers): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (const [name, buffer] of Object.entries(buffers)) if (buffer.role === 'whole') memory.set(bytesOf(buffer.array), places.get(name))

  const lengthOf = (buffer: RowBuffer, first: number, count: number): number => {
    if (buffer.role === 'whole') return buffer.array.length
    if (buffer.role === 'room' || 'lines' in buffer || buffer.stride !== undefined) return count * perRow(buffer)
    return Math.min(buffer.array.length - (buffer.offset ?? 0), (first + count) * buffer.each) - first * buffer.each
  }
  const valueOf = (argument: RowArgument, first: number, count: number): number => {
    if (typeof argument === 'number') return argument
    if (argument === 'rows') return count
    if (argument === 'first') return first
    return 'at' in argument ? places.get(argument.at)! : lengthOf(buffers[argument.lengthOf], first, count)
  }
  /** Pieces of an array that follow one another in the instance's memory: how many, how long, where the first begins, how far apart. */
  const piecesOf = (buffer: Exclude<RowBuffer, { role: 'whole' | 'room' }>, first: number, count: number) => {
    const { stride, offset = 0 } = buffer
    if ('lines' in buffer) return { pieces: buffer.lines, length: count, from: offset + first, apart: buffer.stride }
    if (stride !== undefined) return { pieces: count, length: buffer.each, from: offset + first * stride, apart: stride }
    return { pieces: 1, length: lengthOf(buffer, first, count), from: offset + first * buffer.each, apart: 0 }
  }
  const copy = (direction: 'in' | 'out', first: number, count: number): void => {
    for (const [name, buffer] of Object.entries(buffers)) {
      if (buffer.role === 'whole' || buffer.role === 'room' || (buffer.role !== direction && buffer.role !== 'both')) continue
      const width = buffer.array.BYTES_PER_ELEMENT
      const bytes = bytesOf(buffer.array)
      const { pieces, length, from, apart } = piecesOf(buffer, first, count)
      let [inside, outside] = [places.get(name)!, from * width]
      for (let piece = 0; piece < pieces; piece++, inside += length * width, outside += apart * width) {
        if (direction === 'in') memory.set(bytes.subarray(outside, outside + length * width), inside)
        else bytes.set(memory.subarray(inside, inside + length * width), outside)
      }
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
