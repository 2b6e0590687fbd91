import type { Site } from '@tersor/core'
import { siteName, weightUses, type GraphProto, type OnnxTensor, type WeightUse } from '@tersor/formats/onnx'

/** A site, and the value of the graph that it multiplies. */
export interface GraphSite {
  readonly site: Site
  readonly input: string
}

/** Names of values that become outputs at once, or after a bias was added. */
const lastValues = ({ node, output }: GraphProto): ReadonlySet<string> => {
  const names = new Set(output.map(({ name }) => name))
  const before = node.filter(({ opType, output: made }) => ['Add', 'Identity', 'Softmax'].includes(opType) && names.has(made[0]))
  return new Set([...names, ...before.flatMap(({ input }) => input)])
}

const siteOf = (use: WeightUse, isHead: boolean): Site => {
  const { weight, kind, outAxis, geometry } = use
  return Object.freeze({
    ...{ name: siteName(use), weight: weight.name, kind, outAxis, inAxis: outAxis === 0 ? 1 : 0 },
    ...(geometry ? { convolution: geometry } : {}),
    ...(isHead ? { head: true } : {}),
  })
}

/** One site for each weight that a product or convolution multiplies by; the last one is the head where there are others. */
export const sitesOfGraph = (graph: GraphProto, tensors: readonly OnnxTensor[]): readonly GraphSite[] => {
  const uses = new Map<string, WeightUse>()
  for (const use of weightUses(graph, tensors)) if (!uses.has(use.weight.name)) uses.set(use.weight.name, use)
  const last = lastValues(graph)
  return [...uses.values()].map(use => ({ site: siteOf(use, uses.size > 1 && last.has(use.node.output[0])), input: use.input }))
}
