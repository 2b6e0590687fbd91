import { textPlan } from './onnx-plan.js'
import type { Target, TargetRequest, Variant } from './target.js'

type Files = Pick<TargetRequest, 'model' | 'calibrated'>

/** Files by the dtype that transformers.js asks for them by. */
const FILES: Readonly<Record<string, (request: Files) => Omit<Variant, 'name'>>> = {
  q4: request => textPlan({ ...request, bits: 4 }),
  q4f16: request => ({ ...textPlan({ ...request, bits: 4 }), options: { dtype: 'f16' } }),
  q8: request => textPlan({ ...request, bits: 8 }),
  fp16: request => textPlan({ ...request, bits: 16 }),
}

/** By bits, the first being what runs everywhere; graphics processors want halves beside the codes. */
const CHOICES: Readonly<Record<number, readonly string[]>> = { 4: ['q4', 'q4f16'], 8: ['q8'], 16: ['fp16'] }
const USUAL = ['q4', 'q4f16', 'q8', 'fp16']

/** transformers.js: one folder with a graph for each dtype that its users choose from, and config and tokenizer beside them. */
export const transformersJs: Target = {
  name: 'transformers.js',
  formats: ['onnx'],
  bits: Object.keys(CHOICES).map(Number),
  usualBits: () => 4,
  nameOf: bits => CHOICES[bits][0],
  plan: request => FILES[CHOICES[request.bits][0]](request),
  // a graph that exists is computed in the floats that it was made with
  variants: ({ isAsked, bits, ...request }) => {
    if (request.model.family === 'graph') return []
    const [, ...others] = isAsked ? CHOICES[bits] : USUAL
    return others.map(name => ({ name, ...FILES[name](request) }))
  },
}
