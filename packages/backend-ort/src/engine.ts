import { OrtBackend } from './backend.js'
import type { Native } from './binding.js'
import { detectBlock } from './blocks.js'
import { createBufferPool } from './buffers.js'
import type { BufferPool } from './buffers.js'
import { createExecutor } from './executor.js'
import type { Embeds } from './compile.js'
import type { Executor, Observation, Run } from './executor.js'
import { resolveSettings } from './settings.js'
import type { Settings } from './settings.js'
import { createTrace } from './trace.js'
import type { Trace } from './trace.js'
import type { TraceNode } from './trace-types.js'

/** Counts since the backend started. */
export interface Statistics {
  readonly flushes: number
  /** Flushes run node by node. */
  readonly interpreted: number
  /** Graphs compiled. */
  readonly compiled: number
  /** Kernels that went to tfjs-cpu, by name. */
  readonly fallbacks: ReadonlyMap<string, number>
}

export interface OrtEngine {
  readonly backend: OrtBackend
  readonly trace: Trace
  readonly native: Native
  readonly pool: BufferPool
  statistics(): Statistics
  countFallback(kernel: string): void
  configure(settings: Partial<Settings>): Settings
  settings(): Settings
  /** Runs work whose bits hang on the work alone, and not on which graphs ran often enough before to be compiled. */
  repeatably<T>(work: () => Promise<T>): Promise<T>
  /** Runs everything that is recorded. */
  flush(): void
  /** Flushes when the trace or the memory it keeps alive has grown large. */
  relieve(): void
  /** Compiles what `work` records and gives the runs back; what `embeds` says yes to becomes a constant of the graph. */
  observe(work: () => void, embeds?: Embeds): Run[]
  observing(): boolean
}

/** A longer trace takes long to compile and repeats itself anyway. */
const MOST_NODES = 8000

/** Nodes that a live tensor needs, in order; the rest was recorded and never used. */
function liveNodes(all: readonly TraceNode[]): TraceNode[] {
  for (let index = all.length - 1; index >= 0; index--) {
    const node = all[index]
    if (node.value.owned) node.live = true
    if (node.live) for (const { value } of node.inputs) if (value.node !== null) value.node.live = true
  }
  return all.filter(node => node.live)
}

function unpin(backend: OrtBackend, node: TraceNode): void {
  for (const { value } of node.inputs) {
    value.pins--
    backend.recycle(value)
  }
}

/** Ends the pending state of every node; those that a failed run left behind tell the failure when they are read. */
function settle(backend: OrtBackend, nodes: readonly TraceNode[], failure: unknown): void {
  for (const node of nodes) {
    if (node.value.node === null) continue // interpreted, and so settled already
    node.value.node = null
    if (failure !== undefined) node.value.failure = failure
    unpin(backend, node)
  }
}

type Observer = Observation | null

function createFlush(backend: () => OrtBackend, trace: Trace, run: (nodes: readonly TraceNode[]) => void) {
  return () => {
    if (trace.length() === 0) return
    const all = trace.drain()
    const nodes = liveNodes(all)
    backend().heldBytes = 0
    settle(
      backend(),
      all.filter(node => !node.live),
      undefined,
    )
    let failure: unknown
    try {
      if (nodes.length > 0) run(nodes)
    } catch (error) {
      failure = error
      throw error
    } finally {
      settle(backend(), nodes, failure)
    }
  }
}

/** Runs work in a stretch of repeatable traces, which what was recorded before and after has no part in. */
async function stretch<T>(flush: () => void, { repeatable }: Pick<Executor, 'repeatable'>, work: () => Promise<T>): Promise<T> {
  flush()
  repeatable(true)
  try {
    const result = await work()
    flush()
    return result
  } finally {
    repeatable(false)
  }
}

/** The backend with everything behind it. */
export function createEngine(native: Native): OrtEngine {
  let settings = resolveSettings({})
  let observer: Observer = null
  let flushes = 0
  const fallbacks = new Map<string, number>()
  const trace = createTrace(detectBlock(native))
  const pool = createBufferPool(settings.poolBytes)
  const executor = createExecutor(native, pool, trace.block, settings, node => unpin(backend, node))
  const flush = createFlush(
    () => backend,
    trace,
    nodes => {
      flushes++
      executor.run(nodes, observer)
    },
  )
  const backend = new OrtBackend({ pool, flush, forgetEmbedded: () => executor.forgetEmbedded() }, () => engine)
  const engine: OrtEngine = {
    backend,
    trace,
    native,
    pool,
    statistics: () => ({ flushes, ...executor.counts(), fallbacks }),
    countFallback: kernel => void fallbacks.set(kernel, (fallbacks.get(kernel) ?? 0) + 1),
    configure(given) {
      flush()
      settings = resolveSettings({ ...settings, ...given })
      pool.resize(settings.poolBytes)
      executor.configure(settings)
      return settings
    },
    settings: () => settings,
    repeatably: work => stretch(flush, executor, work),
    flush,
    relieve: () => void (trace.length() >= MOST_NODES || backend.heldBytes > settings.poolBytes ? flush() : undefined),
    observe(work, embeds) {
      flush()
      const runs: Run[] = []
      observer = { done: run => void runs.push(run), ...(embeds ? { embeds } : {}) }
      try {
        work()
        flush()
      } finally {
        observer = null
      }
      return runs
    },
    observing: () => observer !== null,
  }
  return engine
}
