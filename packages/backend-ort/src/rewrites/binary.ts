import type { Binary, Operand, Recorder, Shape } from '../trace-types.js'
import { rewriteConvBias } from './conv-bias.js'
import { rewriteLogSoftmax } from './log-softmax.js'
import { rewriteOneHotProduct, rewriteOneHotDifference } from './one-hot.js'
import { rewriteRectifierGradient } from './rectifier-gradient.js'
import { rewriteRmsNorm } from './rms-norm.js'
import { rewriteSiluGradient } from './silu-gradient.js'
import { rewriteSoftmaxGradient } from './softmax-gradient.js'

/** Recognises what tfjs spells in several kernels and ONNX has, or computes, in fewer; binary records what it needs anew. */
export function rewriteBinary(recorder: Recorder, op: string, a: Operand, b: Operand, shape: Shape, binary: Binary): Operand | null {
  if (op === 'Multiply')
    return rewriteOneHotProduct(recorder, a, b, shape) ?? rewriteRectifierGradient(recorder, a, b) ?? rewriteRmsNorm(recorder, a, b)
  if (op === 'Add')
    return (
      rewriteConvBias(recorder, a, b) ??
      rewriteConvBias(recorder, b, a) ??
      rewriteSiluGradient(recorder, a, b, binary) ??
      rewriteSiluGradient(recorder, b, a, binary)
    )
  if (op !== 'Sub') return null
  return (
    rewriteLogSoftmax(recorder, a, b) ?? rewriteSoftmaxGradient(recorder, a, b, binary) ?? rewriteOneHotDifference(recorder, a, b, shape)
  )
}
