export * from './blocks'
export * from './packed'
export * from './sparse'
export { hadamardRows } from './hadamard'
export { householderRows, jacobiSweep } from './rows'
export { secularRoots, secularVectors } from './secular'
export { choleskyInPlace, invertLower } from './triangular'
export { tridiagonalise } from './tridiagonalise'
export { sweepColumn } from './vectors'

/** The first byte that belongs to the caller. */
export function heapBase(): usize {
  return __heap_base
}
