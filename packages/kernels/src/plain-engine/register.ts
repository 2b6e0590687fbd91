import { replaceKernel } from '../replace-kernel.js'
import { BROADCASTS } from './broadcasts.js'
import { CONVOLUTIONS } from './convolutions.js'
import { INDEXING } from './indexing.js'
import { LAYOUTS } from './layouts.js'
import type { PlainKernel } from './plain-kernel.js'
import { PRODUCTS } from './products.js'
import { REDUCTIONS } from './reductions.js'
import { SOFTMAX } from './softmax.js'

/** By the names that tfjs gives them. */
export const KERNELS: Readonly<Record<string, PlainKernel>> = {
  ...BROADCASTS,
  ...LAYOUTS,
  ...INDEXING,
  ...PRODUCTS,
  ...REDUCTIONS,
  ...SOFTMAX,
  ...CONVOLUTIONS,
}

/**
 * Gives tfjs's plain JavaScript engine quick kernels of what moves, repeats, multiplies and sums values: its own look up each element by a list
 * of its places. A cut of the last axis and the gradient of a convolution's filter take a thirtieth of the time, a softmax a twelfth, a repeated
 * column a fifth, a token of a small language model two thirds (benchmarks/README.md). Results are the same to the bit.
 * Call it once the backend is loaded; again does nothing more.
 */
export const registerPlainKernels = (): void => {
  for (const [name, kernel] of Object.entries(KERNELS)) replaceKernel(name, 'cpu', own => call => kernel(call, own))
}
