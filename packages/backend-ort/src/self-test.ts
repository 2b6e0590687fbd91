import { createGraph } from './graph.js'

/** The model y = x + x over two floats. */
export function selfTestModel(): Uint8Array {
  const graph = createGraph()
  const input = graph.input('x', 'float32', [2])
  const sum = graph.op('Add', [input, input])
  graph.output(sum, 'float32', [2])
  return graph.model()
}
