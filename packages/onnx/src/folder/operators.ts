import type { GraphBuilder } from '../file.js'

/** Far below any score, and a half-precision number still. */
export const HIDDEN_FROM_SIGHT = -3e4

/** Operators in the float type of a graph. */
export interface Operators {
  readonly graph: GraphBuilder
  readonly float: 'f32' | 'f16'
  add(a: string, b: string): string
  multiply(a: string, b: string): string
  scale(x: string, factor: number): string
  matMul(a: string, b: string): string
  /** 0 keeps an extent, −1 is what is left. */
  reshape(x: string, shape: readonly number[]): string
  /** The same with extents that are known when the graph runs, each a list of one. */
  reshapeTo(x: string, shape: readonly (number | string)[]): string
  transpose(x: string, order: readonly number[]): string
  concat(parts: readonly string[], axis: number): string
  split(x: string, sizes: readonly number[], axis: number): readonly string[]
  /** How long an axis is when the graph runs, a list of one. */
  extent(x: string, axis: number): string
  unsqueeze(x: string, axes: readonly number[]): string
  /** cap · tanh(x / cap); x where there is no cap. */
  softCap(x: string, cap: number | null): string
  /** x / √(mean(x²) + ε) · weight over the last axis, in 32 bits. */
  rmsNorm(x: string, weight: string, epsilon: number): string
  /** (x − mean(x)) / √(variance(x) + ε) · weight + bias over the last axis, in 32 bits. */
  layerNorm(x: string, weight: string, bias: string, epsilon: number): string
  /** By the names that configs give them. */
  activation(name: string, x: string): string
}

const GELU = (approximate: string) => (ops: Operators, x: string) => ops.graph.op('Gelu', [x], { attributes: { approximate } })

const ACTIVATIONS: Readonly<Record<string, (ops: Operators, x: string) => string>> = {
  silu: (ops, x) => ops.multiply(x, ops.graph.op('Sigmoid', [x])),
  gelu: GELU('none'),
  gelu_new: GELU('tanh'),
  gelu_pytorch_tanh: GELU('tanh'),
  relu: (ops, x) => ops.graph.op('Relu', [x]),
}

export const operators = (graph: GraphBuilder, float: 'f32' | 'f16'): Operators => {
  const number = (value: number): string => graph.constant(float, [], [value])
  const inFull = (x: string, work: (wide: string) => string): string =>
    float === 'f32' ? work(x) : graph.cast(work(graph.cast(x, 'f32')), 'f16')
  const ops: Operators = {
    graph,
    float,
    add: (a, b) => graph.op('Add', [a, b]),
    multiply: (a, b) => graph.op('Mul', [a, b]),
    scale: (x, factor) => (factor === 1 ? x : graph.op('Mul', [x, number(factor)])),
    matMul: (a, b) => graph.op('MatMul', [a, b]),
    reshape: (x, shape) => graph.op('Reshape', [x, graph.int64(shape)]),
    reshapeTo: (x, shape) => {
      const extents = shape.map(extent => (typeof extent === 'number' ? graph.int64([extent]) : extent))
      return graph.op('Reshape', [x, ops.concat(extents, 0)])
    },
    transpose: (x, order) => graph.op('Transpose', [x], { attributes: { perm: order } }),
    concat: (parts, axis) => graph.op('Concat', parts, { attributes: { axis } }),
    split: (x, sizes, axis) => graph.ops('Split', [x, graph.int64(sizes)], { attributes: { axis }, outputs: sizes.length }),
    extent: (x, axis) => graph.op('Gather', [graph.op('Shape', [x]), graph.int64([axis])]),
    unsqueeze: (x, axes) => graph.op('Unsqueeze', [x, graph.int64(axes)]),
    softCap: (x, cap) => (cap === null ? x : ops.scale(graph.op('Tanh', [ops.scale(x, 1 / cap)]), cap)),
    rmsNorm: (x, weight, epsilon) => {
      const normal = inFull(x, wide => {
        const mean = graph.op('ReduceMean', [graph.op('Mul', [wide, wide]), graph.int64([-1])])
        const root = graph.op('Sqrt', [graph.op('Add', [mean, graph.constant('f32', [], [epsilon])])])
        return graph.op('Div', [wide, root])
      })
      return ops.multiply(normal, weight)
    },
    layerNorm: (x, weight, bias, epsilon) =>
      graph.op('LayerNormalization', [x, weight, bias], { attributes: { axis: -1, epsilon: { float: epsilon } } }),
    activation: (name, x) => ACTIVATIONS[name](ops, x),
  }
  return ops
}
