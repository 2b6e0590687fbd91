import type { GraphProto } from './schema/onnx-ml_pb.js'

/** Tensors of fewer axes are shapes, bounds and biases. */
const AXES = 2

/** Makes initializers of the matrices and filters that Constant nodes hold, as some exporters write all weights; changes the graph. */
export const hoistConstants = (graph: GraphProto): void => {
  const outputs = new Set(graph.output.map(({ name }) => name))
  graph.node = graph.node.filter(({ opType, domain, attribute, output }) => {
    const tensor = opType === 'Constant' && domain === '' ? attribute.find(({ name }) => name === 'value')?.t : undefined
    if (!tensor || tensor.dims.length < AXES || outputs.has(output[0])) return true
    tensor.name = output[0]
    graph.initializer.push(tensor)
    return false
  })
}
