import type { Native, NativeSession, NativeTensor } from './binding.js'
import type { BufferPool } from './buffers.js'
import { arrayOf, tensorOf } from './feeds.js'
import { createGraph } from './graph.js'
import { createRecency } from './lru.js'
import type { Running } from './settings.js'
import { sizeOf } from './shapes.js'
import type { NativeArray, Shape, TraceNode } from './trace-types.js'

/** Runs one node at a time, for traces seen too seldom to be worth compiling. */
export interface Interpreter {
  run(node: TraceNode): NativeArray
  clear(): void
  /** Frees the sessions with embedded constants, one of which is gone. */
  forgetEmbedded(): void
  sessions(): number
}

interface NodeSession {
  readonly session: NativeSession
  readonly output: { readonly name: string; readonly shape: Shape }
  readonly embeds: boolean
}

/** A one-node session holds some kilobytes. */
const NODE_SESSIONS = 512
/** Below this many elements waking the other threads costs more than it saves. */
const PARALLEL_ELEMENTS = 65_536
const HEAVY = new Set(['MatMul', 'MatMulNBits', 'Conv', 'ConvInputGradient', 'ConvFilterGradient', 'MaxPool', 'AveragePool'])

function keyOf(node: TraceNode, threads: number): string {
  const inputs = node.inputs.map(input => input.dtype + (node.polymorphic ? input.shape.length : `[${input.shape}]`))
  return `${node.op}|${node.attributes}|${inputs}|${node.polymorphic ? '' : node.shape}|${threads}`
}

function open(native: Native, node: TraceNode, { threads, spinning, arena }: Running): NodeSession {
  const graph = createGraph()
  const shapeOf = (shape: readonly number[]) => (node.polymorphic ? undefined : shape)
  const names = node.inputs.map((input, index) => graph.input(`x${index}`, input.dtype, shapeOf(input.shape)))
  const output = graph.origin(node.emit(graph, names), node.shape)
  graph.output(output.name, node.dtype, shapeOf(output.shape))
  return {
    session: native.open(graph.model(), { threads, spinning, optimise: false, arena: arena && graph.nodeCount() > 1 }),
    output,
    embeds: graph.embedded() > 0,
  }
}

export function createInterpreter(native: Native, pool: BufferPool, settings: () => Running): Interpreter {
  const sessions = createRecency<NodeSession>({ entries: NODE_SESSIONS }, ({ session }) => session.dispose())
  return {
    run(node) {
      if (node.host !== undefined)
        return node.host(
          node.inputs.map(input => arrayOf(input)),
          pool.take,
        )
      const running = settings()
      const parallel = HEAVY.has(node.op) || sizeOf(node.shape) >= PARALLEL_ELEMENTS ? running.threads : 1
      const key = keyOf(node, parallel)
      const known = sessions.get(key)
      const used = known ?? open(native, node, { ...running, threads: parallel })
      const { session, output } = used
      if (known === undefined) sessions.set(key, used)
      const feeds: Record<string, NativeTensor> = {}
      node.inputs.forEach((input, index) => (feeds[`x${index}`] = tensorOf(native, input, pool.take)))
      const array = pool.take(node.dtype, sizeOf(node.shape))
      session.run(feeds, { [output.name]: native.tensor(node.dtype, array, node.polymorphic ? node.shape : output.shape) })
      return array
    },
    clear: () => sessions.clear(),
    forgetEmbedded: () => sessions.deleteWhere(({ embeds }) => embeds),
    sessions: () => sessions.size(),
  }
}
