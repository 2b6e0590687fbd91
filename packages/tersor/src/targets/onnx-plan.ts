import { groupFor, tablesOf, type TargetPlan, type TargetRequest } from './target.js'

/** Groups that `MatMulNBits` takes and its kernels are fast with. */
const GROUPS = [32, 16]

/** Codes of a network of text as a graph: products in blocks, tables and head in eight bits, since few bits cost most there. */
export const textPlan = ({ model, bits, calibrated }: Pick<TargetRequest, 'model' | 'bits' | 'calibrated'>): TargetPlan => {
  if (bits >= 16) return { steps: [], options: { dtype: bits === 16 ? 'f16' : 'f32' } }
  const tables = tablesOf(model).map(name => `rtn(bits=8, granularity=row, only=${name})`)
  return { steps: [`${calibrated ? 'gptq' : 'rtn'}(bits=${bits}, ${groupFor(model, GROUPS)})`, ...tables] }
}
