import type { ConvolutionGeometry, Site } from '@tersor/core'
import {
  opsetOf,
  OPSET_OF_GROUPS,
  replaceableWeights,
  weightUses,
  type Onnx,
  type GraphProto,
  type Geometry,
  type WeightUse,
} from '../file.js'

/** A site, and the value of the graph that it multiplies. */
export interface GraphSite {
  readonly site: Site
  readonly input: string
  /** Whether that stands as columns. */
  readonly columns?: boolean
  /** How many groups its channels are shown in, each as an image. */
  readonly groups?: number
  /** Why methods are not shown it. */
  readonly unseen?: string
}

/** Names of values that become outputs at once, or after a bias was added. */
const lastValues = ({ node, output }: GraphProto): ReadonlySet<string> => {
  const names = new Set(output.map(({ name }) => name))
  const before = node.filter(({ opType, output: made }) => ['Add', 'Identity', 'Softmax'].includes(opType) && names.has(made[0]))
  return new Set([...names, ...before.flatMap(({ input }) => input)])
}

/** How each image is walked that methods are shown. */
const withoutGroups = ({ groups: _, ...walk }: Geometry): ConvolutionGeometry => walk

const siteOf = (use: WeightUse, isHead: boolean, rowsOnly: boolean): Site => {
  const { name, weight, kind, outAxis, geometry } = use
  return Object.freeze({
    ...{ name, weight: weight.name, kind, outAxis, inAxis: outAxis === 0 ? 1 : 0 },
    ...(geometry ? { convolution: withoutGroups(geometry) } : {}),
    ...(geometry?.groups === undefined ? {} : { bias: '' }), // what is shown are all groups together, whose mean is that of no channel
    ...(rowsOnly ? { rowsOnly } : {}),
    ...(isHead ? { head: true } : {}),
  })
}

/** A weight with several uses goes by the one that shows most: a product before what cannot be shown, and that before a table. */
const RANK = (use: WeightUse): number => (use.kind === 'embedding' ? 2 : use.unseen === undefined ? 0 : 1)

/** One site for each weight that a product, a convolution or a recurrence multiplies by; the last one is the head where there are others. */
export const sitesOfGraph = ({ graph, tensors, model }: Pick<Onnx, 'graph' | 'tensors' | 'model'>): readonly GraphSite[] => {
  const uses = new Map<string, WeightUse>()
  const all = weightUses(graph, tensors)
  for (const use of all) {
    const known = uses.get(use.weight.name)
    if (!known || RANK(use) < RANK(known)) uses.set(use.weight.name, use)
  }
  const last = lastValues(graph)
  const replaceable = replaceableWeights(graph, all)
  const hasGroups = ({ weight }: WeightUse): boolean =>
    weight.shape.length === 2 && (replaceable.has(weight.name) || opsetOf(model) >= OPSET_OF_GROUPS)
  const isHead = ({ node, kind }: WeightUse): boolean => kind !== 'embedding' && uses.size > 1 && last.has(node.output[0])
  return all
    .filter(use => uses.get(use.weight.name) === use)
    .map(use => ({
      ...{ site: siteOf(use, isHead(use), !hasGroups(use)), input: use.input },
      ...(use.columns ? { columns: true } : {}),
      ...(use.geometry?.groups === undefined ? {} : { groups: use.geometry.groups }),
      ...(use.unseen === undefined ? {} : { unseen: use.unseen }),
    }))
}
