import { bytesOf } from '@tersor/tensor'
import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import { innerGraphs } from './subgraphs.js'
import type { OnnxTensor } from './tensors.js'
import { weightUses } from './uses.js'

/** Numbers of at least two axes that are no site's weight. */
export interface OtherWeight {
  readonly name: string
  /** The first operator that takes it. */
  readonly operator: string
  readonly bytes: number
}

/** Fewer bytes are bounds, shifts and masks of a few numbers. */
const FEWEST_BYTES = 1024

const nodesIn = (graph: GraphProto): readonly NodeProto[] => graph.node.flatMap(node => [node, ...innerGraphs(node).flatMap(nodesIn)])

/** What of a graph stays as it is whatever is asked for, largest first. */
export const otherWeights = (graph: GraphProto, tensors: readonly OnnxTensor[]): readonly OtherWeight[] => {
  const weights = new Set(weightUses(graph, tensors).map(({ weight }) => weight.name))
  const takers = new Map<string, string>()
  for (const { input, opType } of nodesIn(graph)) for (const name of input) if (!takers.has(name)) takers.set(name, opType)
  return tensors
    .flatMap(({ name, dtype, shape }) =>
      dtype && shape.length > 1 && !weights.has(name) && bytesOf(dtype, shape) >= FEWEST_BYTES
        ? [{ name, operator: takers.get(name) ?? 'nothing', bytes: bytesOf(dtype, shape) }]
        : [],
    )
    .sort((a, b) => b.bytes - a.bytes)
}
