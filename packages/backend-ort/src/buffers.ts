import type { DType, NativeArray } from './trace-types.js'

/** Recycles output arrays, so that weights double-buffer without allocation. */
export interface BufferPool {
  take(dtype: DType, length: number): NativeArray
  /** Takes back an array that nothing reads any more; arrays that are not the pool's are ignored. */
  give(array: ArrayLike<unknown>): void
  /** Lets go of an array for good: somebody outside holds it now. */
  forget(array: ArrayLike<unknown>): void
  owns(array: ArrayLike<unknown>): boolean
  resize(limitBytes: number): void
  bytes(): number
}

/** Smaller arrays cost less to allocate than to look up. */
const SMALLEST = 256

export function newArray(dtype: DType, length: number): NativeArray {
  if (dtype === 'float32') return new Float32Array(length)
  return dtype === 'int32' ? new Int32Array(length) : new Uint8Array(length)
}

/** A pool that keeps at most `limitBytes` of free arrays and drops the sizes unused for longest. */
export function createBufferPool(limitBytes: number): BufferPool {
  const free = new Map<string, NativeArray[]>()
  const owned = new WeakSet<ArrayBufferLike>()
  let limit = limitBytes
  let held = 0
  const shrink = () => {
    for (const [key, list] of free) {
      if (held <= limit) return
      for (const array of list) held -= array.byteLength
      free.delete(key)
    }
  }
  const keyOf = (dtype: DType, length: number) => dtype + length
  const dtypeOf = (array: NativeArray): DType =>
    array instanceof Float32Array ? 'float32' : array instanceof Int32Array ? 'int32' : 'bool'
  const isOwned = (array: ArrayLike<unknown>): array is NativeArray => ArrayBuffer.isView(array) && owned.has(array.buffer)
  return {
    take(dtype, length) {
      const array = free.get(keyOf(dtype, length))?.pop()
      if (array !== undefined) {
        held -= array.byteLength
        return array
      }
      const fresh = newArray(dtype, length)
      if (length >= SMALLEST) owned.add(fresh.buffer)
      return fresh
    },
    give(array) {
      if (!isOwned(array) || array.byteLength !== array.buffer.byteLength) return
      const key = keyOf(dtypeOf(array), array.length)
      const list = free.get(key) ?? []
      free.delete(key) // moved to the end: the sizes in use are dropped last
      free.set(key, list)
      list.push(array)
      held += array.byteLength
      shrink()
    },
    forget: array => void (ArrayBuffer.isView(array) && owned.delete(array.buffer)),
    owns: isOwned,
    resize(bytes) {
      limit = bytes
      shrink()
    },
    bytes: () => held,
  }
}
