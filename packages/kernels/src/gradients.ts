import * as tf from '@tensorflow/tfjs-core'
import { binaryGradients } from './gradients/binary.js'
import { convolutionGradients } from './gradients/convolution.js'
import { indexingGradients } from './gradients/indexing.js'
import { layoutGradients } from './gradients/layout.js'
import { matMulGradients } from './gradients/matmul.js'
import { reductionGradients } from './gradients/reductions.js'
import type { GradientTable } from './gradients/rules.js'
import { unaryGradients } from './gradients/unary.js'

const GRADIENTS: GradientTable = {
  ...unaryGradients,
  ...binaryGradients,
  ...reductionGradients,
  ...layoutGradients,
  ...indexingGradients,
  ...matMulGradients,
  ...convolutionGradients,
}

export interface RegisterGradientsOptions {
  /** Whether rules that are there already make place too: those of tfjs itself, differentiated twice, give wrong numbers without an error. */
  readonly replace?: boolean
}

/**
 * Registers a gradient for every kernel that has none, or for all, and gives the names of those.
 * tfjs-core as Node loads it brings no gradients at all: they come with the large packages above it. All rules but those of pooling for the
 * largest and of resizing may be differentiated twice.
 * Calling it again does nothing.
 */
export function registerGradients({ replace = false }: RegisterGradientsOptions = {}): readonly string[] {
  const isOurs = (name: string) => tf.getGradient(name)?.gradFunc === (GRADIENTS[name].gradient as unknown)
  const missing = Object.keys(GRADIENTS).filter(name => (replace ? !isOurs(name) : tf.getGradient(name) === undefined))
  for (const kernelName of missing) {
    const { inputs, outputs, allInputs, gradient } = GRADIENTS[kernelName]
    if (tf.getGradient(kernelName)) tf.unregisterGradient(kernelName)
    tf.registerGradient({
      kernelName,
      ...(inputs === undefined ? {} : { inputsToSave: [...inputs] }),
      ...(outputs === undefined ? {} : { outputsToSave: [...outputs] }),
      ...(allInputs === undefined ? {} : { saveAllInputs: allInputs }),
      gradFunc: gradient as never,
    })
  }
  return missing
}
