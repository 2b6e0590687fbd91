export { quantizeQ4_0, quantizeQ4_1, quantizeQ5_0, quantizeQ5_1, quantizeQ8_0 } from './blocks'
export { hadamardRows } from './hadamard'
export { householderRows, jacobiSweep } from './rows'
export { secularRoots, secularVectors } from './secular'
export { multiplyPacked } from './packed'
export { multiplyGroupSparse, multiplyTwoOfFour } from './sparse'
export { choleskyInPlace, invertLower } from './triangular'
export { tridiagonalise } from './tridiagonalise'
export { sweepColumn } from './vectors'

/** The first byte that belongs to the caller. */
export function heapBase(): usize {
  return __heap_base
}
