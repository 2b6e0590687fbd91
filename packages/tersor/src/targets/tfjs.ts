import type { Target } from './target.js'

/** TensorFlow.js: a manifest has one scale a tensor, so that is what every weight gets, tables too. */
export const tfjs: Target = {
  name: 'tfjs',
  formats: ['tfjs'],
  bits: [8, 16],
  usualBits: () => 8,
  plan: ({ bits }) =>
    bits === 16 ? { steps: [], options: { dtype: 'f16' } } : { steps: ['rtn(bits=8, granularity=tensor, symmetric=false, only=*)'] },
}
