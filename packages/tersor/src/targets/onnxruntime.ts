import { textPlan } from './onnx-plan.js'
import { convolves, groupFor, type Target, type TargetPlan, type TargetRequest } from './target.js'

/** A graph in place: integers of eight bits as QDQ, static where there are inputs to learn ranges from; fewer bits in blocks. */
const graphPlan = ({ model, bits, calibrated }: TargetRequest): TargetPlan => {
  if (bits >= 16) return { steps: [], options: { dtype: bits === 16 ? 'f16' : 'f32' } }
  if (bits === 8) {
    const inputs = calibrated ? ['quantize-activations(only=*)'] : []
    return { steps: ['rtn(bits=8, granularity=row, only=*)', ...inputs], options: { form: 'QDQ' } }
  }
  return { steps: [`${calibrated ? 'gptq' : 'rtn'}(bits=4, ${groupFor(model, [32, 16])}, only=*)`] }
}

/** ONNX Runtime, native and in browsers. */
export const onnxruntime: Target = {
  name: 'onnxruntime',
  formats: ['onnx'],
  bits: [4, 8, 16],
  usualBits: model => (convolves(model) ? 8 : 4),
  plan: request => (request.model.family === 'graph' ? graphPlan(request) : textPlan(request)),
}
