export * from './blocks'
export * from './packed'
export * from './sparse'
export * from './triangular'
export * from './vectors'

/** The first byte that belongs to the caller. */
export function heapBase(): usize {
  return __heap_base
}
