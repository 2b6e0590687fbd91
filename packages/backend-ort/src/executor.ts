import type { Native } from './binding.js'
import type { BufferPool } from './buffers.js'
import { runPlan } from './compile.js'
import { createFamilies } from './shape-generic-graphs.js'
import type { FamilyMember } from './shape-generic-graphs.js'
import type { Embeds, Plan } from './compile.js'
import { createInterpreter } from './interpret.js'
import { createPlans, FEW_NODES } from './static-graphs.js'
import type { Settings } from './settings.js'
import { skeletonOf } from './trace-key.js'
import type { Skeleton } from './trace-key.js'
import type { DType, Operand, TraceNode, Value } from './trace-types.js'

/** One compiled run, as `capture` wants to repeat it. */
export interface Run {
  readonly plan: Plan
  readonly inputs: readonly Operand[]
  readonly outputs: readonly { readonly value: Value; readonly shape: readonly number[]; readonly dtype: DType }[]
}

/** Who wants the run of a trace, which is then compiled whatever its past. */
export interface Observation {
  done(run: Run): void
  /** Where given, the graph is one of its own, which no other trace uses. */
  readonly embeds?: Embeds
}

/** Runs the live nodes of a flush, as one graph or one by one. */
export interface Executor {
  run(nodes: readonly TraceNode[], observer: Observation | null): void
  configure(settings: Settings): void
  /** Begins, or ends, a stretch in which the bits of a trace hang on the trace alone; stretches may overlap. */
  repeatable(begins: boolean): void
  /** Frees every graph in which constants of the caller stand, because one of them is gone. */
  forgetEmbedded(): void
  counts(): { readonly compiled: number; readonly interpreted: number }
}

const runOf = (plan: Plan, { inputs }: Skeleton, outputs: readonly TraceNode[]): Run => ({
  plan,
  inputs,
  outputs: outputs.map(({ value, shape, dtype }) => ({ value, shape, dtype })),
})

const constantsOf = (native: Native, { constants }: FamilyMember) =>
  Object.fromEntries(constants.map(({ name, dtype, shape, values }) => [name, native.constant(dtype, values, shape)]))

export function createExecutor(
  native: Native,
  pool: BufferPool,
  block: number,
  initial: Settings,
  release: (node: TraceNode) => void,
): Executor {
  let [settings, interpreted, stretches] = [initial, 0, 0]
  const plans = createPlans(native, () => settings, block, settings.sessions)
  const families = createFamilies(native, () => settings, settings.sessions)
  const interpreter = createInterpreter(native, pool, () => settings)
  /** Whether a graph compiled from a trace of other shapes could serve. */
  const runAsMember = (member: FamilyMember, skeleton: Skeleton, outputs: readonly TraceNode[]): boolean => {
    try {
      const arrays = runPlan(native, pool, member.plan, skeleton.inputs, outputs, constantsOf(native, member))
      outputs.forEach(({ value }, index) => (value.values = arrays[index]))
      return true
    } catch {
      families.abandon(skeleton) // the interpreter gives the result, or the true error
      return false
    }
  }
  const interpret = (nodes: readonly TraceNode[]) => {
    interpreted++
    for (const node of nodes) {
      node.value.values = interpreter.run(node)
      node.value.node = null
      release(node)
    }
  }
  return {
    run(nodes, observer) {
      const outputs = nodes.filter(node => node.value.owned)
      const skeleton = skeletonOf(nodes)
      const embeds = observer?.embeds
      const find = stretches > 0 ? plans.findRepeatable : plans.find
      const plan = embeds ? plans.apart(skeleton, nodes, outputs, embeds) : find(skeleton, nodes, outputs, observer !== null)
      if (plan === null) {
        const member = nodes.length > FEW_NODES ? families.find(skeleton, nodes, outputs) : null
        if (member === null || !runAsMember(member, skeleton, outputs)) interpret(nodes)
        return
      }
      const arrays = runPlan(native, pool, plan, skeleton.inputs, outputs)
      outputs.forEach(({ value }, index) => (value.values = arrays[index]))
      observer?.done(runOf(plan, skeleton, outputs))
    },
    configure(wanted) {
      if ((['threads', 'spinning', 'arena'] as const).some(name => wanted[name] !== settings[name])) {
        for (const cache of [plans, families, interpreter]) cache.clear()
      }
      settings = wanted
      plans.resize(wanted.sessions)
      families.resize(wanted.sessions)
    },
    repeatable: begins => void (stretches += begins ? 1 : -1),
    forgetEmbedded() {
      for (const cache of [plans, families, interpreter]) cache.forgetEmbedded()
    },
    counts: () => ({ compiled: plans.compiled(), interpreted }),
  }
}
