import type { Native, NativeSession } from './binding.js'
import { feedName } from './compile.js'
import type { Output } from './compile.js'
import { emitTrace } from './emit.js'
import { createGraph } from './graph.js'
import type { AttributeValue, Graph, OnnxType } from './graph.js'
import { createRecency } from './lru.js'
import type { Shape, TraceNode } from './trace-types.js'
import type { Running } from './settings.js'
import type { Skeleton } from './trace-key.js'

/** A constant in the order of writing: axes, bounds, shapes. */
interface Constant {
  readonly dtype: OnnxType
  readonly shape: Shape
  readonly values: readonly number[]
}

/** What a trace would write: its structure as text, and its constants apart from it. */
interface Sketch {
  readonly signature: string
  readonly constants: readonly Constant[]
}

/** One graph for traces that differ in shapes only: the constants that differ are inputs. */
export interface FamilyPlan {
  readonly session: NativeSession
  readonly fed: readonly number[]
  readonly outputs: readonly Output[]
  readonly signature: string
  readonly embeds: boolean
  /** Which constants are inputs. */
  readonly open: ReadonlySet<number>
  readonly constants: readonly Constant[]
}

/** A family plan with the constants of one trace. */
export interface FamilyMember {
  readonly plan: FamilyPlan
  readonly constants: readonly (Constant & { readonly name: string })[]
}

export interface Families {
  /** A graph that serves the trace although it was compiled from another, or null. */
  find(skeleton: Skeleton, nodes: readonly TraceNode[], outputs: readonly TraceNode[]): FamilyMember | null
  /** Never try this family again. */
  abandon(skeleton: Skeleton): void
  clear(): void
  /** Frees the graphs with embedded constants, one of which is gone. */
  forgetEmbedded(): void
  resize(capacity: number): void
}

const constantName = (index: number) => `k${index}`

/** A graph that keeps every constant apart, by position; the open ones become inputs. */
function openGraph(open: ReadonlySet<number>, constants: Constant[]): Graph {
  const graph = createGraph()
  const closed = graph.constant
  graph.constant = (dtype, shape, values) => {
    const index = constants.push({ dtype, shape, values }) - 1
    return open.has(index) ? graph.input(constantName(index), dtype) : closed(dtype, shape, values)
  }
  return graph
}

/** Writes nothing down but the structure. */
function sketchGraph(constants: Constant[], lines: string[]): Graph {
  const graph = createGraph()
  const text = (attributes: Readonly<Record<string, AttributeValue>> | undefined) =>
    attributes === undefined ? '' : JSON.stringify(attributes)
  graph.constant = (dtype, shape, values) => `k${constants.push({ dtype, shape, values }) - 1}${dtype}${shape.length}`
  graph.many = (count, type, inputs, attributes, domain) => {
    const line = lines.push(`${type}${domain ?? ''}(${inputs.join()})${text(attributes)}`) - 1
    return Array.from({ length: count }, (_, at) => `t${line}${at === 0 ? '' : `_${at}`}`)
  }
  return graph
}

function sketchOf(skeleton: Skeleton, nodes: readonly TraceNode[], outputs: readonly TraceNode[]): Sketch {
  const constants: Constant[] = []
  const lines = skeleton.inputs.map(({ dtype, shape }) => `${dtype}${shape.length}`)
  const names = emitTrace(
    sketchGraph(constants, lines),
    skeleton,
    nodes,
    outputs,
    skeleton.inputs.map((_, slot) => feedName(slot)),
  )
  return { signature: `${lines.join('\n')}\n${names}`, constants }
}

const equal = (a: Constant, b: Constant) =>
  a.values.length === b.values.length && a.values.every((value, at) => Object.is(value, b.values[at]))

/** Positions where two traces of one structure differ. */
function differences(a: readonly Constant[], b: readonly Constant[]): number[] {
  return a.flatMap((constant, index) => (equal(constant, b[index]) ? [] : [index]))
}

function compileFamily(
  native: Native,
  { threads, spinning, arena }: Running,
  skeleton: Skeleton,
  nodes: readonly TraceNode[],
  outputs: readonly TraceNode[],
  signature: string,
  open: ReadonlySet<number>,
): FamilyPlan {
  const constants: Constant[] = []
  const graph = openGraph(open, constants)
  const inputNames = skeleton.inputs.map((operand, slot) => graph.input(feedName(slot), operand.dtype))
  const made = emitTrace(graph, skeleton, nodes, outputs, inputNames).map((name, at) => ({ name: graph.output(name, outputs[at].dtype) }))
  const session = native.open(graph.model(), { threads, spinning, optimise: true, arena })
  return { session, fed: skeleton.inputs.map((_, slot) => slot), outputs: made, signature, embeds: graph.embedded() > 0, open, constants }
}

interface Entry {
  /** The last trace that was only sketched. */
  sketch: Sketch | null
  plan: FamilyPlan | null
  compiled: number
  abandoned: boolean
}

/** Structures remembered. */
const FAMILIES = 1024
/** A family whose constants keep surprising is left to the interpreter. */
const MOST_COMPILES = 4

export function createFamilies(native: Native, settings: () => Running, capacity: number): Families {
  const entries = createRecency<Entry>({ entries: FAMILIES }, () => {})
  const withPlan = createRecency<Entry>({ entries: capacity }, entry => {
    entry.plan?.session.dispose()
    entry.plan = null
  })
  const entryOf = ({ family }: Skeleton): Entry => {
    const known = entries.get(family)
    if (known !== undefined) return known
    const entry: Entry = { sketch: null, plan: null, compiled: 0, abandoned: false }
    entries.set(family, entry)
    return entry
  }
  const member = (plan: FamilyPlan, sketch: Sketch): FamilyMember => ({
    plan,
    constants: [...plan.open].map(index => ({ ...sketch.constants[index], name: constantName(index) })),
  })
  return {
    find(skeleton, nodes, outputs) {
      const entry = entryOf(skeleton)
      if (entry.abandoned) return null
      const sketch = sketchOf(skeleton, nodes, outputs)
      const { plan } = entry
      if (plan?.signature === sketch.signature && differences(plan.constants, sketch.constants).every(index => plan.open.has(index))) {
        withPlan.get(skeleton.family)
        return member(plan, sketch)
      }
      const before = plan ?? entry.sketch
      entry.sketch = sketch
      if (before === null || before.signature !== sketch.signature) return null
      if (entry.compiled++ >= MOST_COMPILES) {
        entry.abandoned = true
        return null
      }
      const open = new Set([...(plan?.open ?? []), ...differences(before.constants, sketch.constants)])
      withPlan.delete(skeleton.family)
      entry.plan = compileFamily(native, settings(), skeleton, nodes, outputs, sketch.signature, open)
      withPlan.set(skeleton.family, entry)
      return member(entry.plan, sketch)
    },
    abandon: skeleton => void (entryOf(skeleton).abandoned = true),
    clear: () => withPlan.clear(),
    forgetEmbedded: () => withPlan.deleteWhere(({ plan }) => plan?.embeds === true),
    resize: size => withPlan.resize(size),
  }
}
