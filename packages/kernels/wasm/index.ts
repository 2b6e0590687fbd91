export { adamStep } from './adam'
export { quantizeMxfp4, quantizeQ4_0, quantizeQ4_1, quantizeQ5_0, quantizeQ5_1, quantizeQ8_0 } from './blocks'
export { solveHalfQuadratic } from './half-quadratic'
export { dropUnkept, linesToValues, packCodes, tableToValues, unpackCodes } from './decoding'
export { encodeIq4_NL, encodeIq4_XS } from './searches/iq4-blocks'
export { encodeQ2_K, encodeQ4_K, encodeQ5_K } from './searches/ranged-blocks'
export { encodeQ3_K, encodeQ6_K } from './searches/symmetric-blocks'
export { hadamardRows } from './hadamard'
export {
  absmaxOfRuns,
  largestBits,
  nearestLevels,
  rangesOfRuns,
  roundToE2m1,
  roundToFloat8,
  roundToLines,
  squaredErrors,
  widenBf16,
} from './rounding'
export { reachesOfProducts, roundingErrors } from './rounding-error'
export { householderRows, jacobiSweep } from './rows'
export { secularRoots, secularVectors } from './secular'
export { decodeSymbols, encodeSymbols } from './range-coder'
export { multiplyPacked } from './packed'
export { countKeys, gatherKept, keepAbove, keepLargestOfRows, keepLargestOfRuns } from './selection'
export { multiplyGroupSparse, multiplyTwoOfFour } from './sparse'
export { choleskyInPlace, invertLower } from './triangular'
export { queriesTimesTiles, sharesTimesTiles } from './tiles'
export { tridiagonalise } from './tridiagonalise'
export { rangesOfRows, removeColumns, roundColumns, scoresOfColumns, transposeLines } from './sweep'

/** The first byte that belongs to the caller. */
export function heapBase(): usize {
  return __heap_base
}
