import type { Native, NativeSession, NativeTensor } from './binding.js'
import type { BufferPool } from './buffers.js'
import { emitTrace } from './emit.js'
import { arrayOf, tensorOf } from './feeds.js'
import { createGraph } from './graph.js'
import type { Running } from './settings.js'
import { sizeOf } from './shapes.js'
import type { Skeleton } from './trace-key.js'
import type { NativeArray, Operand, Shape, TraceNode } from './trace-types.js'

/** An output as the graph makes it. */
export interface Output {
  readonly name: string
  /** Where it may be another of the same size than the trace wants. */
  readonly shape?: Shape
}

/** A whole trace as one loaded graph. */
export interface Plan {
  readonly session: NativeSession
  /** The inputs of the skeleton that are fed; the others are constants of the graph. */
  readonly fed: readonly number[]
  readonly outputs: readonly Output[]
  /** The literals it was compiled with. */
  readonly baked: string
  /** Estimate of what the session keeps between runs. */
  readonly bytes: number
  /** Whether it keeps the memory that it ran in. */
  readonly arena: boolean
  /** Whether constants of the caller stand in it. */
  readonly embeds: boolean
  /** Held by a captured function: the cache may forget it but not free it. */
  retained: boolean
  /** Forgotten by the cache while it was held: who lets go of it frees it. */
  forgotten: boolean
}

/** Whether an input that is no literal becomes a constant of the graph; its values are copied. */
export type Embeds = (operand: Operand) => boolean

export const feedName = (slot: number) => `x${slot}`

/** ONNX Runtime's plan lets about four values in turn share one place. */
const SHARING = 4
const BYTES_PER_ELEMENT = 4

export function estimateBytes(nodes: readonly TraceNode[]): number {
  return (nodes.reduce((sum, node) => sum + sizeOf(node.shape), 0) * BYTES_PER_ELEMENT) / SHARING
}

/** Writes the trace as ONNX and loads it; every shape is static, which lets ONNX Runtime plan its memory. */
export function compile(
  native: Native,
  { threads, spinning, arena, block }: Running & { readonly block: number },
  skeleton: Skeleton,
  nodes: readonly TraceNode[],
  outputs: readonly TraceNode[],
  varying: ReadonlySet<number>,
  baked: string,
  embeds: Embeds = () => false,
): Plan {
  const graph = createGraph()
  const constant = new Set(skeleton.literals.filter((_, position) => !varying.has(position)))
  const fed: number[] = []
  const inputNames = skeleton.inputs.map((operand, slot) => {
    if (constant.has(slot)) return graph.constant('float32', operand.shape, [(operand.value.values as Float32Array)[0]])
    if (embeds(operand)) return graph.embed(`v${slot}`, operand.shape, arrayOf(operand) as Float32Array)
    fed.push(slot)
    return graph.input(feedName(slot), operand.dtype, operand.shape)
  })
  const made = emitTrace(graph, skeleton, nodes, outputs, inputNames, block).map((name, at) => graph.origin(name, outputs[at].shape))
  made.forEach(({ name, shape }, at) => graph.output(name, outputs[at].dtype, shape))
  const session = native.open(graph.model(), { threads, spinning, optimise: true, arena })
  const embedded = graph.embedded()
  return {
    session,
    fed,
    outputs: made,
    baked,
    ...{ bytes: (arena ? estimateBytes(nodes) : 0) + embedded, arena },
    embeds: embedded > 0,
    retained: false,
    forgotten: false,
  }
}

/** Runs a plan over the given inputs and gives one array per output. */
export function runPlan(
  native: Native,
  pool: BufferPool,
  plan: Pick<Plan, 'session' | 'fed' | 'outputs'>,
  inputs: readonly Operand[],
  outputs: readonly Pick<TraceNode, 'dtype' | 'shape'>[],
  more: Readonly<Record<string, NativeTensor>> = {},
): NativeArray[] {
  const feeds: Record<string, NativeTensor> = { ...more }
  for (const slot of plan.fed) feeds[feedName(slot)] = tensorOf(native, inputs[slot], pool.take)
  const fetches: Record<string, NativeTensor> = {}
  const arrays = outputs.map(({ dtype, shape }, index) => {
    const array = pool.take(dtype, sizeOf(shape))
    const made = plan.outputs[index]
    fetches[made.name] = native.tensor(dtype, array, made.shape ?? shape)
    return array
  })
  plan.session.run(feeds, fetches)
  return arrays
}
