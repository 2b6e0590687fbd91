import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'

/** The graphs that a node such as If, Loop or Scan holds. */
export const innerGraphs = ({ attribute }: NodeProto): readonly GraphProto[] =>
  attribute.flatMap(({ g, graphs }) => (g ? [g, ...graphs] : graphs))

/** Every name that the inner graphs of a node ask for. */
export const namesInside = (node: NodeProto): readonly string[] =>
  innerGraphs(node).flatMap(({ node: nodes, output }) => [
    ...output.map(({ name }) => name),
    ...nodes.flatMap(inner => [...inner.input, ...namesInside(inner)]),
  ])
