import { backend_util } from '@tensorflow/tfjs-core'
import { sameShape } from '../shapes.js'
import type { Rule, RuleTable } from '../trace-types.js'
import { binary } from './elementwise.js'
import { convAttributes, convKey, fitsOnnx, TO_NCHW, TO_NHWC, transposed } from './convolution.js'
import { areFloats } from './are-floats.js'
import { literal } from '../trace.js'
import { unary } from './unary.js'

/** Padding counts neither for the largest nor for the mean. */
const pool =
  (op: string): Rule =>
  (recorder, { x }, { filterSize, strides, pad, dimRoundingMode }) => {
    if (!areFloats(x) || x.shape.length !== 4) return null
    const info = backend_util.computePool2DInfo(
      [...x.shape] as [number, number, number, number],
      filterSize,
      strides,
      1,
      pad,
      dimRoundingMode,
    )
    if (!fitsOnnx(info) || (info.filterHeight === 1 && info.filterWidth === 1 && sameShape(info.inShape, info.outShape))) return null
    const { kernel_shape, strides: steps, pads } = convAttributes(info)
    if (pads[0] >= info.filterHeight || pads[1] >= info.filterWidth || pads[2] >= info.filterHeight || pads[3] >= info.filterWidth)
      return null
    return recorder.record({
      op,
      inputs: [x],
      attributes: convKey(info),
      shape: info.outShape,
      dtype: 'float32',
      emit: (graph, [name]) =>
        transposed(graph, graph.op(op, [transposed(graph, name, TO_NCHW)], { kernel_shape, strides: steps, pads }), TO_NHWC),
    })
  }

/** (x − mean) / √(variance + ε) · scale + offset. */
const batchNorm: Rule = (recorder, { x, mean, variance, scale, offset }, { varianceEpsilon }) => {
  if (!areFloats(x, mean, variance, scale, offset)) return null
  const inverse = unary(recorder, 'Rsqrt', binary(recorder, 'Add', variance, literal(varianceEpsilon)))
  const factor = scale === undefined ? inverse : binary(recorder, 'Multiply', inverse, scale)
  const scaled = binary(recorder, 'Multiply', binary(recorder, 'Sub', x, mean), factor)
  return offset === undefined ? scaled : binary(recorder, 'Add', scaled, offset)
}

export const poolingKernels: RuleTable = { MaxPool: pool('MaxPool'), AvgPool: pool('AveragePool'), FusedBatchNorm: batchNorm }
