import { groupFor, type Target } from './target.js'

/** Groups that vLLM's kernels take. */
const GROUPS = [128, 64, 32]

/** vLLM, and transformers: weights alone are codes, embeddings and the head stay, which its loaders take plain only. */
export const vllm: Target = {
  name: 'vllm',
  formats: ['compressed-tensors', 'gptq', 'awq', 'huggingface'],
  bits: [4, 8, 16],
  usualBits: () => 4,
  plan: ({ model, bits, calibrated, format }) => {
    if (bits === 16) return { steps: [], options: { dtype: 'bf16' } }
    const method = calibrated ? 'gptq' : 'rtn'
    const grid = bits === 8 && format === 'compressed-tensors' ? 'granularity=row' : groupFor(model, GROUPS)
    return { steps: [`${method}(bits=${bits}, ${grid}${format === 'awq' ? ', symmetric=false' : ''})`] }
  },
}
