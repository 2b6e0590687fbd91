import type { Native } from './binding.js'
import { OrtBackend } from './backend.js'
import { createBufferPool } from './buffers.js'
import { runPlan } from './compile.js'
import type { Plan } from './compile.js'
import { createInterpreter } from './interpret.js'
import { createPlans } from './plans.js'
import { resolveSettings } from './settings.js'
import type { Settings } from './settings.js'
import { skeletonOf } from './skeleton.js'
import { createTrace } from './trace.js'
import type { Trace } from './trace.js'
import type { DType, Operand, TraceNode, Value } from './types.js'

/** One compiled run, as `capture` wants to repeat it. */
export interface Run {
  readonly plan: Plan
  readonly inputs: readonly Operand[]
  readonly outputs: readonly { readonly value: Value; readonly shape: readonly number[]; readonly dtype: DType }[]
}

/** Counts since the backend started. */
export interface Statistics {
  flushes: number
  interpreted: number
  compiled: number
  /** Kernels that went to tfjs-cpu, by name. */
  readonly fallbacks: Map<string, number>
}

export interface OrtEngine {
  readonly backend: OrtBackend
  readonly trace: Trace
  readonly native: Native
  readonly statistics: Statistics
  configure(settings: Partial<Settings>): Settings
  /** Runs everything that is recorded. */
  flush(): void
  /** Flushes when the trace or the memory it keeps alive has grown large. */
  relieve(): void
  /** Records the compiled runs of `work` and gives them back. */
  observe(work: () => void): Run[]
  observing(): boolean
}

/** A longer trace takes long to compile and repeats itself anyway. */
const MOST_NODES = 8000

/** Nodes that a live tensor needs, in order; the rest was recorded and never used. */
function liveNodes(all: readonly TraceNode[]): TraceNode[] {
  for (let index = all.length - 1; index >= 0; index--) {
    const node = all[index]!
    if (node.value.owned) node.live = true
    if (node.live) for (const { value } of node.inputs) if (value.node !== null) value.node.live = true
  }
  return all.filter(node => node.live)
}

export function createEngine(native: Native): OrtEngine {
  let settings = resolveSettings({})
  const pool = createBufferPool(settings.poolBytes)
  const trace = createTrace()
  const plans = createPlans(native, () => settings.threads, settings.sessions)
  const interpreter = createInterpreter(native, pool, () => settings.threads)
  const statistics: Statistics = { flushes: 0, interpreted: 0, compiled: 0, fallbacks: new Map() }
  let observed: Run[] | null = null
  const release = (node: TraceNode) => {
    for (const { value } of node.inputs) {
      value.pins--
      backend.recycle(value)
    }
  }
  const interpret = (nodes: readonly TraceNode[]) => {
    for (const node of nodes) {
      node.value.values = interpreter.run(node)
      node.value.node = null
      release(node)
    }
    statistics.interpreted++
  }
  const runWhole = (plan: Plan, inputs: readonly Operand[], outputs: readonly TraceNode[]) => {
    const arrays = runPlan(native, pool, plan, inputs, outputs)
    outputs.forEach(({ value }, index) => (value.values = arrays[index]!))
    observed?.push({ plan, inputs, outputs: outputs.map(({ value, shape, dtype }) => ({ value, shape, dtype })) })
  }
  const run = (nodes: readonly TraceNode[]) => {
    const outputs = nodes.filter(node => node.value.owned)
    const skeleton = skeletonOf(nodes)
    const plan = plans.find(skeleton, nodes, outputs, observed !== null)
    if (plan === null) interpret(nodes)
    else runWhole(plan, skeleton.inputs, outputs)
    statistics.compiled = plans.compiled()
  }
  const settle = (all: readonly TraceNode[], failure: unknown) => {
    for (const node of all) {
      if (node.value.node === null) continue // interpreted: already released
      node.value.node = null
      if (failure !== undefined) node.value.failure = failure
      if (node.live) release(node)
    }
  }
  const flush = () => {
    if (trace.length() === 0) return
    const all = trace.drain()
    const nodes = liveNodes(all)
    for (const node of all) if (!node.live) release(node)
    statistics.flushes++
    backend.heldBytes = 0
    let failure: unknown
    try {
      if (nodes.length > 0) run(nodes)
    } catch (error) {
      failure = error
      throw error
    } finally {
      settle(all, failure)
    }
  }
  const backend = new OrtBackend({ pool, flush }, () => engine)
  const engine: OrtEngine = {
    backend,
    trace,
    native,
    statistics,
    configure(given) {
      flush()
      settings = resolveSettings({ ...settings, ...given })
      pool.resize(settings.poolBytes)
      plans.resize(settings.sessions)
      if (given.threads !== undefined) {
        plans.clear()
        interpreter.clear()
      }
      return settings
    },
    flush,
    relieve: () => void (trace.length() >= MOST_NODES || backend.heldBytes > settings.poolBytes ? flush() : undefined),
    observe(work) {
      flush()
      const runs: Run[] = (observed = [])
      try {
        work()
        flush()
      } finally {
        observed = null
      }
      return runs
    },
    observing: () => observed !== null,
  }
  return engine
}
