import type { RuleTable } from '../trace-types.js'
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

/** The kernels that run natively, by what they do. */
export const KERNEL_GROUPS: Readonly<Record<string, RuleTable>> = {
  'arithmetic, comparison and choice': elementwiseKernels,
  'functions of one operand': unaryKernels,
  activations: activationKernels,
  reductions: reductionKernels,
  'matrix products': matMulKernels,
  convolution: convolutionKernels,
  'gradients of convolution': convolutionGradientKernels,
  'pooling and normalisation': poolingKernels,
  'layout (the first three share memory)': layoutKernels,
  'indices and types': indexingKernels,
  'filled tensors': fillKernels,
}

/** Every kernel that runs natively, by its tfjs name. */
export function kernelTable(): RuleTable {
  return Object.assign({}, ...Object.values(KERNEL_GROUPS)) as RuleTable
}
