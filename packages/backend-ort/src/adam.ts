import { registerKernel } from '@tensorflow/tfjs-core'
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import type { OrtEngine } from './engine.js'
import type { Graph } from './graph.js'
import { literal } from './trace.js'
import type { Emit, Operand } from './trace-types.js'

/** The kernel behind `adamUpdate` of @tersor/kernels. */
export const ADAM_KERNEL = 'OrtAdam'

export type AdamFactors = {
  readonly beta1: number
  readonly beta2: number
  /** Learning rate with both bias corrections. */
  readonly rate: number
  /** ε with the second bias correction. */
  readonly epsilon: number
  /** What is left of the parameter itself: 1 − learning rate · weight decay. */
  readonly keep: number
}

type Named = Readonly<Record<'parameter' | 'gradient' | 'mean' | 'square', Operand>>

/** A node of the gradient's shape whose ONNX mentions no shape. */
const elementwise = ({ trace }: OrtEngine, op: string, inputs: readonly Operand[], attributes: string, emit: Emit): Operand =>
  trace.record({ op, inputs, attributes, shape: inputs[0].shape, dtype: 'float32', polymorphic: true, elementwise: true, emit })

/** β·old + (1−β)·new. */
function blend(graph: Graph, old: string, fresh: string, beta: number): string {
  return graph.op('Add', [graph.op('Mul', [old, graph.float(beta)]), graph.op('Mul', [fresh, graph.float(1 - beta)])])
}

/**
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← keep·w − rate·m / (√v + ε), as three nodes for each parameter: twelve passes over memory,
 * but of one parameter after the other, which stays in the cache, and on all threads. JavaScript in one pass takes three times as long.
 * Rate and ε, which change from step to step, are inputs of the graph.
 */
function record(engine: OrtEngine, { parameter, gradient, mean, square }: Named, factors: AdamFactors): readonly Operand[] {
  const { beta1, beta2, rate, epsilon, keep } = factors
  const m = elementwise(engine, 'AdamMean', [mean, gradient], `${beta1}`, (graph, [old, g]) => blend(graph, old, g, beta1))
  const v = elementwise(engine, 'AdamSquare', [square, gradient], `${beta2}`, (graph, [old, g]) =>
    blend(graph, old, graph.op('Mul', [g, g]), beta2),
  )
  const inputs = [parameter, m, v, literal(rate), literal(epsilon)]
  const w = elementwise(engine, 'AdamStep', inputs, `${keep}`, (graph, [old, first, second, scale, offset]) => {
    const step = graph.op('Div', [first, graph.op('Add', [graph.op('Sqrt', [second]), offset])])
    const kept = keep === 1 ? old : graph.op('Mul', [old, graph.float(keep)])
    return graph.op('Sub', [kept, graph.op('Mul', [step, scale])])
  })
  return [w, m, v]
}

function kernel(engine: OrtEngine): KernelFunc {
  const { backend } = engine
  return ({ inputs, attrs }) => {
    const named = Object.fromEntries(
      Object.entries(inputs as Record<string, TensorInfo>).map(([name, tensor]) => [name, backend.operandOf(tensor)]),
    )
    const updated = record(engine, named as Named, attrs as AdamFactors).map(operand => backend.own(operand))
    engine.relieve()
    return updated
  }
}

export function registerAdam(engine: OrtEngine, backendName: string): void {
  registerKernel({ kernelName: ADAM_KERNEL, backendName, kernelFunc: kernel(engine) })
}
