import { totalmem } from 'node:os'
import type { Native } from './binding.js'
import { compile, estimateBytes } from './compile.js'
import type { Embeds, Plan } from './compile.js'
import { createRecency } from './lru.js'
import type { Running } from './settings.js'
import type { Skeleton } from './trace-key.js'
import type { TraceNode } from './trace-types.js'

/** Compiled graphs by structure, and the decision when compiling pays. */
export interface Plans {
  /** The plan for a trace, or null when it should be interpreted. */
  find(skeleton: Skeleton, nodes: readonly TraceNode[], outputs: readonly TraceNode[], force: boolean): Plan | null
  /** The same where bits may not hang on what ran before: it goes by the trace alone. */
  findRepeatable(skeleton: Skeleton, nodes: readonly TraceNode[], outputs: readonly TraceNode[], force: boolean): Plan | null
  /** A plan of its own, in which inputs stand as constants; whoever holds it frees it. */
  apart(skeleton: Skeleton, nodes: readonly TraceNode[], outputs: readonly TraceNode[], embeds: Embeds): Plan
  clear(): void
  /** Frees the graphs with embedded constants, one of which is gone. */
  forgetEmbedded(): void
  resize(sessions: number): void
  compiled(): number
}

interface Family {
  members: number
}
interface Entry {
  sightings: number
  readonly family: Family
  /** Positions of the literals that were seen to change: they are inputs for ever. */
  readonly varying: Set<number>
  last: readonly number[] | null
}

/** A graph that may run once only, such as a piece of a long text, keeps no memory beyond this: another piece would have its own. */
const ONCE_BYTES = 16 * 1024 * 1024
/** Structures remembered; each costs some hundred bytes. */
const STRUCTURES = 8192
/** Compiled graphs may hold this part of the machine's memory, by estimate. */
const MEMORY_PART = 3
/** A graph of so few nodes gains nothing over its nodes run one by one. */
export const FEW_NODES = 2

const NOTHING_VARIES: ReadonlySet<number> = new Set()

type BuildArguments = [Skeleton, readonly TraceNode[], readonly TraceNode[], varying: ReadonlySet<number>, baked: string]

/** The numbers that stand in a trace. */
const literalsOf = ({ literals, inputs }: Skeleton): number[] => literals.map(slot => (inputs[slot].value.values as Float32Array)[0])

/** Traces by structure, and how many there are of each that differ only in shape. */
const createEntries = () => {
  const entries = createRecency<Entry>({ entries: STRUCTURES }, () => {})
  const families = createRecency<Family>({ entries: STRUCTURES }, () => {})
  return (skeleton: Skeleton): Entry => {
    const known = entries.get(skeleton.key)
    if (known !== undefined) return known
    const family = families.get(skeleton.family) ?? { members: 0 }
    family.members++
    families.set(skeleton.family, family)
    const entry: Entry = { sightings: 0, family, varying: new Set(), last: null }
    entries.set(skeleton.key, entry)
    return entry
  }
}

/**
 * A trace is compiled when it has been seen more often than it has siblings that differ only in shape:
 * a training step at its second run, the steps of token-by-token decoding, whose shapes grow, practically never.
 */
export function createPlans(native: Native, settings: () => Running, block: number, capacity: number): Plans {
  const plans = createRecency<Plan>({ entries: capacity, weight: totalmem() / MEMORY_PART, weigh: plan => plan.bytes }, plan =>
    plan.retained ? void (plan.forgotten = true) : plan.session.dispose(),
  )
  const entryOf = createEntries()
  let compiled = 0
  const build = (key: string, arena: boolean, ...[skeleton, nodes, outputs, varying, baked]: BuildArguments): Plan => {
    plans.delete(key)
    const plan = compile(native, { ...settings(), arena, block }, skeleton, nodes, outputs, varying, baked)
    plans.set(key, plan)
    compiled++
    return plan
  }
  return {
    findRepeatable(skeleton, nodes, outputs, force) {
      if (nodes.length <= FEW_NODES && !force) return null
      const baked = literalsOf(skeleton).join()
      const key = `${skeleton.key} ${baked}` // apart from the graphs whose literals became inputs
      const known = plans.get(key)
      const { arena } = settings()
      if (known && !known.retained && known.arena === arena) return known
      return build(
        key,
        arena && (known !== undefined || force || estimateBytes(nodes) <= ONCE_BYTES),
        skeleton,
        nodes,
        outputs,
        NOTHING_VARIES,
        baked,
      )
    },
    find(skeleton, nodes, outputs, force) {
      const entry = entryOf(skeleton)
      const literals = literalsOf(skeleton)
      const { last, varying } = entry
      if (last !== null) literals.forEach((value, position) => !Object.is(value, last[position]) && varying.add(position))
      entry.last = literals
      entry.sightings++
      const baked = literals.map((value, position) => (varying.has(position) ? '*' : value)).join()
      const known = plans.get(skeleton.key)
      if (known?.baked === baked && !known.retained) return known
      if (known === undefined && !force && (nodes.length <= FEW_NODES || entry.sightings <= entry.family.members)) return null
      return build(skeleton.key, settings().arena, skeleton, nodes, outputs, varying, baked)
    },
    apart(skeleton, nodes, outputs, embeds) {
      compiled++
      return { ...compile(native, { ...settings(), block }, skeleton, nodes, outputs, NOTHING_VARIES, '', embeds), forgotten: true }
    },
    clear: () => plans.clear(),
    forgetEmbedded: () => plans.deleteWhere(({ embeds }) => embeds),
    resize: sessions => plans.resize(sessions),
    compiled: () => compiled,
  }
}
