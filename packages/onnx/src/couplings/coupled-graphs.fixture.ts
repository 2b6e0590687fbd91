import { graphBuilder, type AttributeValue, type GraphBuilder } from '../file/build.js'
import { encodeModel, modelOf } from '../file/model.js'
import { initializer, values } from '../file/toy-graph.fixture.js'

/** What a small graph is made of; its weights get values of their own, its output has whatever shape comes out. */
export interface SmallGraph {
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly inputs?: Readonly<Record<string, readonly (number | string)[]>>
  /** Writes the nodes, and gives the name of the value that comes out. */
  readonly build: (of: Nodes) => string
  readonly opset?: number
}

/** Writes a node and gives the name of what it makes. */
export type Nodes = GraphBuilder & {
  node(type: string, inputs: readonly string[], attributes?: Readonly<Record<string, AttributeValue>>): string
}

/** Images of the graphs whose inputs say nothing else. */
export const IMAGES = { x: ['batch', 3, 8, 8] } as const

export const smallGraph = ({ weights, inputs = IMAGES, build, opset = 17 }: SmallGraph): Uint8Array => {
  const graph = graphBuilder('node_')
  const nodes = Object.assign(graph, {
    node: (type: string, names: readonly string[], attributes = {}) => graph.op(type, names, { attributes }),
  })
  graph.rename(graph.op('Identity', [build(nodes)]), 'y')
  const initializers = Object.entries(weights).map(([name, shape], seed) => {
    const numbers = values(
      shape.reduce((a, b) => a * b, 1),
      seed + 1,
    )
    return initializer(name, shape, name.startsWith('variance') ? numbers.map(each => 1.5 + each) : numbers)
  })
  const model = modelOf({
    ...{ name: 'small', graph, initializers },
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, dtype: 'f32' as const, shape })),
    outputs: [{ name: 'y', dtype: 'f32', shape: [] }],
  })
  for (const { type } of model.graph!.output) if (type?.value.case === 'tensorType') delete (type.value.value as { shape?: unknown }).shape
  model.opsetImport[0].version = BigInt(opset)
  return encodeModel(model)
}

const SAME = { pads: [1, 1, 1, 1] } as const

/** A stem, an inverted residual with squeeze and excitation, a branch beside it, and a head over flattened images: as image networks are. */
export const IMAGE_NETWORK: SmallGraph = {
  weights: {
    ...{ stem: [6, 3, 3, 3], scale: [6], shift: [6], mean: [6], variance: [6] },
    ...{ expand: [10, 6, 1, 1], 'expand.bias': [10], depth: [10, 1, 3, 3], 'depth.bias': [10] },
    ...{ squeeze: [4, 10, 1, 1], excite: [10, 4, 1, 1], project: [6, 10, 1, 1] },
    ...{ beside: [4, 6, 3, 3], slope: [4, 1, 1], hidden: [7, 160], 'hidden.bias': [7], head: [7, 5] },
  },
  build: graph => {
    const first = graph.node('Conv', ['x', 'stem'], { ...SAME, strides: [2, 2] })
    const stream = graph.node('Relu', [graph.node('BatchNormalization', [first, 'scale', 'shift', 'mean', 'variance'])])
    const wide = graph.node('HardSwish', [graph.node('Conv', [stream, 'expand', 'expand.bias'])])
    const deep = graph.node('Conv', [wide, 'depth', 'depth.bias'], { ...SAME, group: 10 })
    const squeezed = graph.node('Relu', [graph.node('Conv', [graph.node('GlobalAveragePool', [deep]), 'squeeze'])])
    const gate = graph.node('Sigmoid', [graph.node('Conv', [squeezed, 'excite'])])
    const sum = graph.node('Add', [graph.node('Conv', [graph.node('Mul', [deep, gate]), 'project']), stream])
    const beside = graph.node('PRelu', [graph.node('Conv', [sum, 'beside'], SAME), 'slope'])
    const pooled = graph.node('MaxPool', [graph.node('Concat', [sum, beside], { axis: 1 })], { kernel_shape: [2, 2], strides: [1, 1], pads: [0, 0, 1, 1] }) // prettier-ignore
    const flat = graph.node('Reshape', [pooled, graph.int64([-1, 160])])
    return graph.node('MatMul', [graph.node('Tanh', [graph.node('Gemm', [flat, 'hidden', 'hidden.bias'], { transB: 1 })]), 'head'])
  },
}
