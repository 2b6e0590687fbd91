import type { Native } from './binding.js'
import type { BufferPool } from './buffers.js'
import { runPlan } from './compile.js'
import type { Plan } from './compile.js'
import { createInterpreter } from './interpret.js'
import { createPlans } from './plans.js'
import type { Settings } from './settings.js'
import { skeletonOf } from './skeleton.js'
import type { DType, Operand, TraceNode, Value } from './types.js'

/** One compiled run, as `capture` wants to repeat it. */
export interface Run {
  readonly plan: Plan
  readonly inputs: readonly Operand[]
  readonly outputs: readonly { readonly value: Value; readonly shape: readonly number[]; readonly dtype: DType }[]
}

/** Runs the live nodes of a flush, as one graph or one by one. */
export interface Executor {
  /** With `observe` the trace is compiled whatever its past, and the run is handed over. */
  run(nodes: readonly TraceNode[], observe: ((run: Run) => void) | null): void
  configure(settings: Settings): void
  counts(): { readonly compiled: number; readonly interpreted: number }
}

export function createExecutor(native: Native, pool: BufferPool, initial: Settings, release: (node: TraceNode) => void): Executor {
  let settings = initial
  let interpreted = 0
  const threads = () => settings.threads
  const plans = createPlans(native, threads, settings.sessions)
  const interpreter = createInterpreter(native, pool, threads)
  const interpret = (nodes: readonly TraceNode[]) => {
    interpreted++
    for (const node of nodes) {
      node.value.values = interpreter.run(node)
      node.value.node = null
      release(node)
    }
  }
  return {
    run(nodes, observe) {
      const outputs = nodes.filter(node => node.value.owned)
      const skeleton = skeletonOf(nodes)
      const plan = plans.find(skeleton, nodes, outputs, observe !== null)
      if (plan === null) return interpret(nodes)
      const arrays = runPlan(native, pool, plan, skeleton.inputs, outputs)
      outputs.forEach(({ value }, index) => (value.values = arrays[index]!))
      observe?.({ plan, inputs: skeleton.inputs, outputs: outputs.map(({ value, shape, dtype }) => ({ value, shape, dtype })) })
    },
    configure(wanted) {
      if (wanted.threads !== settings.threads) {
        plans.clear()
        interpreter.clear()
      }
      settings = wanted
      plans.resize(wanted.sessions)
    },
    counts: () => ({ compiled: plans.compiled(), interpreted }),
  }
}
