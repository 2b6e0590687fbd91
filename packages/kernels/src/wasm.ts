import { MODULE } from './wasm/module.js'

type Pointer = number

/** What wasm/*.ts exports; pointers are the `byteOffset` of views that `arena` gave. */
type Exports = {
  readonly memory: WebAssembly.Memory
  heapBase(): Pointer
  adamStep(
    w: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    length: number,
    beta1: number,
    rest1: number,
    beta2: number,
    rest2: number,
    rate: number,
    epsilon: number,
    keep: number,
  ): void
  choleskyInPlace(a: Pointer, n: number): number
  decodeSymbols(
    bytes: Pointer,
    length: number,
    starts: Pointer,
    sizes: Pointer,
    count: number,
    bounds: Pointer,
    precision: number,
    symbols: Pointer,
  ): number
  encodeSymbols(symbols: Pointer, starts: Pointer, count: number, bounds: Pointer, precision: number, end: Pointer): Pointer
  hadamardRows(x: Pointer, count: number, length: number): void
  householderRows(a: Pointer, m: number, n: number, r: Pointer, factors: Pointer): void
  invertLower(lower: Pointer, inverse: Pointer, n: number): void
  quantizeQ4_0: QuantizeBlocks
  quantizeQ4_1: QuantizeBlocks
  quantizeQ5_0: QuantizeBlocks
  quantizeQ5_1: QuantizeBlocks
  quantizeQ8_0: QuantizeBlocks
  multiplyPacked(
    x: Pointer,
    count: number,
    codes: Pointer,
    bits: number,
    rows: number,
    blocks: number,
    block: number,
    scales: Pointer,
    offsets: Pointer,
    sums: Pointer,
    y: Pointer,
  ): void
  queriesTimesTiles(
    q: Pointer,
    count: number,
    codes: Pointer,
    bits: number,
    lines: number,
    columns: number,
    height: number,
    width: number,
    scales: Pointer,
    minimums: Pointer,
    isHalf: number,
    room: Pointer,
    y: Pointer,
  ): void
  sharesTimesTiles(
    p: Pointer,
    count: number,
    codes: Pointer,
    bits: number,
    lines: number,
    columns: number,
    height: number,
    width: number,
    scales: Pointer,
    minimums: Pointer,
    isHalf: number,
    y: Pointer,
  ): void
  multiplyTwoOfFour(
    x: Pointer,
    count: number,
    mask: Pointer,
    values: Pointer,
    patterns: Pointer,
    rows: number,
    columns: number,
    y: Pointer,
  ): void
  multiplyGroupSparse(
    x: Pointer,
    count: number,
    starts: Pointer,
    groups: Pointer,
    values: Pointer,
    group: number,
    rows: number,
    columns: number,
    y: Pointer,
  ): void
  jacobiSweep(b: Pointer, length: number, w: Pointer, k: number, squares: Pointer, tolerance: number, negligible: number): number
  secularRoots(d: Pointer, z: Pointer, size: number, rho: number, roots: Pointer, differences: Pointer): void
  secularVectors(d: Pointer, z: Pointer, size: number, differences: Pointer, squares: Pointer, vectors: Pointer): void
  tridiagonalise(a: Pointer, n: number, diagonal: Pointer, offDiagonal: Pointer, factors: Pointer, work: Pointer): void
}

/** Writes blocks of 32 float32 values as GGUF holds them. */
export type QuantizeBlocks = (values: Pointer, blocks: number, to: Pointer) => void

/** Hands out views of the instance's memory, one behind the other, aligned to 16 bytes; what is in them is left over. */
export interface Arena {
  f32(length: number): Float32Array<ArrayBuffer>
  f64(length: number): Float64Array<ArrayBuffer>
  i32(length: number): Int32Array<ArrayBuffer>
  u8(length: number): Uint8Array<ArrayBuffer>
}

export interface WasmKernels extends Omit<Exports, 'memory' | 'heapBase'> {
  /** Begins anew with room for so many bytes, 16 more for each view; the views of earlier arenas must no longer be used. */
  arena(bytes: number): Arena
}

const PAGE = 65_536
const ALIGNMENT = 16

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => {
  const decoded = atob(text)
  return Uint8Array.from({ length: decoded.length }, (_, at) => decoded.charCodeAt(at))
}

let compiled: WebAssembly.Module | undefined

/** The module of all kernels, compiled at the first call. */
export const wasmModule = (): WebAssembly.Module => (compiled ??= new WebAssembly.Module(bytesOf(MODULE)))

/** A new instance of it, with a memory of its own. */
export const wasmInstance = (): WebAssembly.Instance => new WebAssembly.Instance(wasmModule(), { env: { abort } })

/**
 * Gives a new instance of the WebAssembly kernels with a memory of its own, so that nobody else's arena interferes.
 * The module travels inside this package, is compiled at the first call and started synchronously, in Node and in browsers.
 * Uses 128-bit SIMD, which Node 20 and all browsers since 2023 have.
 */
export function wasmKernels(): WasmKernels {
  const { memory, heapBase, ...kernels } = wasmInstance().exports as Exports
  return { ...kernels, arena: bytes => arenaOf(memory, heapBase(), bytes) }
}

function abort(): never {
  throw new Error('A WebAssembly kernel stopped.')
}

function arenaOf(memory: WebAssembly.Memory, base: Pointer, bytes: number): Arena {
  const missing = base + bytes + ALIGNMENT - memory.buffer.byteLength
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE))
  let next = base
  const place = (size: number): Pointer => {
    const at = Math.ceil(next / ALIGNMENT) * ALIGNMENT
    next = at + size
    return at
  }
  const { buffer } = memory as { buffer: ArrayBuffer }
  return {
    f32: length => new Float32Array(buffer, place(4 * length), length),
    f64: length => new Float64Array(buffer, place(8 * length), length),
    i32: length => new Int32Array(buffer, place(4 * length), length),
    u8: length => new Uint8Array(buffer, place(length), length),
  }
}
