import type { Native, NativeSession, NativeTensor } from './binding.js'
import type { BufferPool } from './buffers.js'
import { tensorOf } from './feeds.js'
import { createGraph } from './graph.js'
import type { Graph } from './graph.js'
import { sameShape, sizeOf } from './shapes.js'
import type { Skeleton } from './skeleton.js'
import type { NativeArray, Operand, TraceNode } from './types.js'

/** A whole trace as one loaded graph. */
export interface Plan {
  readonly session: NativeSession
  /** The inputs of the skeleton that are fed; the others are constants of the graph. */
  readonly fed: readonly number[]
  readonly outputNames: readonly string[]
  /** The literals it was compiled with. */
  readonly baked: string
}

export const feedName = (slot: number) => `x${slot}`

/** Names values as they are asked for: a value used in another shape gets one Reshape. */
function createNaming(graph: Graph, skeleton: Skeleton, inputNames: readonly string[]) {
  const names = new Map<TraceNode, string>()
  const views = new Map<string, string>()
  const nameOf = (operand: Operand): string => {
    const producer = operand.value.node
    if (producer === null) return inputNames[skeleton.slotOf(operand)]!
    const plain = names.get(producer)!
    if (sameShape(producer.shape, operand.shape)) return plain
    const key = `${producer.index}@${operand.shape}`
    const view = views.get(key) ?? graph.reshape(plain, operand.shape)
    views.set(key, view)
    return view
  }
  return { names, nameOf }
}

/** Writes the trace as ONNX and loads it; every shape is static, which lets ONNX Runtime plan its memory. */
export function compile(
  native: Native,
  threads: number,
  skeleton: Skeleton,
  nodes: readonly TraceNode[],
  outputs: readonly TraceNode[],
  varying: ReadonlySet<number>,
  baked: string,
): Plan {
  const graph = createGraph()
  const constant = new Set(skeleton.literals.filter((_, position) => !varying.has(position)))
  const fed: number[] = []
  const inputNames = skeleton.inputs.map((operand, slot) => {
    if (constant.has(slot)) return graph.constant('float32', operand.shape, [(operand.value.values as Float32Array)[0]!])
    fed.push(slot)
    return graph.input(feedName(slot), operand.dtype, operand.shape)
  })
  const { names, nameOf } = createNaming(graph, skeleton, inputNames)
  for (const node of nodes) names.set(node, node.emit(graph, node.inputs.map(nameOf)))
  const used = new Set<string>()
  const outputNames = outputs.map(node => {
    const name = names.get(node)!
    const unique = used.has(name) || inputNames.includes(name) ? graph.op('Identity', [name]) : name
    used.add(unique)
    return graph.output(unique, node.dtype, node.shape)
  })
  return { session: native.open(graph.model(), { threads, optimise: true }), fed, outputNames, baked }
}

/** Runs a plan over the given inputs and gives one array per output. */
export function runPlan(
  native: Native,
  pool: BufferPool,
  plan: Plan,
  inputs: readonly Operand[],
  outputs: readonly Pick<TraceNode, 'dtype' | 'shape'>[],
): NativeArray[] {
  const feeds: Record<string, NativeTensor> = {}
  for (const slot of plan.fed) feeds[feedName(slot)] = tensorOf(native, inputs[slot]!)
  const fetches: Record<string, NativeTensor> = {}
  const arrays = outputs.map(({ dtype, shape }, index) => {
    const array = pool.take(dtype, sizeOf(shape))
    fetches[plan.outputNames[index]!] = native.tensor(dtype, array, shape)
    return array
  })
  plan.session.run(feeds, fetches)
  return arrays
}
