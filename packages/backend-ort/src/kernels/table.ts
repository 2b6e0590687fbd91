import type { RuleTable } from '../types.js'
import { activationKernels } from './activations.js'
import { convolutionGradientKernels } from './convolution-gradients.js'
import { convolutionKernels } from './convolution.js'
import { elementwiseKernels } from './elementwise.js'
import { fillKernels } from './fill.js'
import { indexingKernels } from './indexing.js'
import { layoutKernels } from './layout.js'
import { matMulKernels } from './matmul.js'
import { poolingKernels } from './pooling.js'
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
    ...activationKernels,
    ...convolutionKernels,
    ...convolutionGradientKernels,
    ...poolingKernels,
  }
}
