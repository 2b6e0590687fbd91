import { getKernel, registerKernel, unregisterKernel, type KernelFunc } from '@tensorflow/tfjs-core'
import { BROADCASTS } from './broadcasts.js'
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
}

/** A quick kernel, and the one in whose place it stands. */
type Replaced = KernelFunc & { readonly own?: KernelFunc }

/**
 * Gives tfjs's plain JavaScript engine quick kernels of what moves, repeats, multiplies and sums values: its own look up each element by a list
 * of its places. A cut of the last axis takes a hundredth of the time, a repeated operand or a softmax a tenth, a token of a small language
 * model about half. Results are the same to the bit.
 * Call it once the backend is loaded; again does nothing more.
 */
export const registerPlainKernels = (): void => {
  for (const [name, kernel] of Object.entries(KERNELS)) {
    const known = getKernel(name, 'cpu')
    const own = known?.kernelFunc as Replaced | undefined
    if (!own || own.own) continue
    unregisterKernel(name, 'cpu')
    registerKernel({ ...known, kernelFunc: Object.assign((call => kernel(call, own)) as KernelFunc, { own }) })
  }
}
