import type { RuleTable } from '../types.js'
import { elementwiseKernels } from './elementwise.js'
import { fillKernels } from './fill.js'
import { indexingKernels } from './indexing.js'
import { layoutKernels } from './layout.js'
import { matMulKernels } from './matmul.js'
import { reductionKernels } from './reductions.js'
import { unaryKernels } from './unary.js'

/** Every kernel that runs natively, by its tfjs name. */
export function kernelTable(): RuleTable {
  return {
    ...elementwiseKernels,
    ...unaryKernels,
    ...reductionKernels,
    ...matMulKernels,
    ...layoutKernels,
    ...indexingKernels,
    ...fillKernels,
  }
}
