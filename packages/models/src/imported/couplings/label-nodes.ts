import { protect, type Axes, type Axis, type Extent } from './axes.js'
import type { LabelScope, WeightLabels } from './weight-labels.js'

/** What stands on the axes of a graph's values and weights. */
export interface Labels {
  readonly weights: WeightLabels
  readonly values: ReadonlyMap<string, Axes | undefined>
  readonly numbers: LabelScope['numbers']
  /** Of values that were computed from shapes, what they hold. */
  readonly extents: ReadonlyMap<string, readonly Extent[]>
  /** Root-mean-square norms, each with the axis that it runs over and the weight that multiplies what it gives. */
  readonly norms?: readonly { readonly axis: Axis; readonly weight: string }[]
}

/** A node of a graph of any format, in names of values, and the rules of its operator. */
export interface LabelledNode<S extends LabelScope> {
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Values that graphs inside of it ask for. */
  readonly inner?: readonly string[]
  /** What it is called in reasons. */
  readonly called: string
  /** The extents that it gives, where it does nothing else with them. */
  readonly extents?: (scope: S) => readonly Extent[] | undefined
  /** How it moves labels: what its outputs are, or why its inputs stay whole; nothing stays known without. */
  readonly rule?: (scope: S) => readonly (Axes | undefined)[] | string
}

/** A graph as labels see it. */
export interface LabelledGraph<S extends LabelScope> {
  readonly nodes: readonly LabelledNode<S>[]
  /** Inputs and constants with what is known of their axes. */
  readonly values: Iterable<readonly [name: string, axes: Axes | undefined]>
  readonly weights: WeightLabels
  readonly numbers: LabelScope['numbers']
  readonly outputs: readonly string[]
  /** Of outputs that come in again, the axis along which units may go: the heads of keys and values. */
  readonly returned?: ReadonlyMap<string, number>
  /** What rules of the format see. */
  readonly scope: (shared: LabelScope) => S
}

/** Nodes in an order that runs: files need not have one. */
const ordered = <S extends LabelScope>(nodes: readonly LabelledNode<S>[], known: ReadonlySet<string>): readonly LabelledNode<S>[] => {
  const made = new Set(known)
  const outputs = new Set(nodes.flatMap(node => node.outputs))
  const isReady = (name: string): boolean => made.has(name) || !outputs.has(name)
  const result: LabelledNode<S>[] = []
  for (let rest = nodes, before = Infinity; rest.length > 0 && rest.length < before;) {
    before = rest.length
    rest = rest.filter(each => {
      if (![...each.inputs, ...(each.inner ?? [])].every(isReady)) return true
      each.outputs.forEach(name => made.add(name))
      result.push(each)
      return false
    })
  }
  return result
}

/** Moves labels through all nodes of a graph; whatever reaches a node without a rule, an inner graph or an output stays whole. */
export const labelNodes = <S extends LabelScope>(graph: LabelledGraph<S>): Labels => {
  const { weights, numbers } = graph
  const values = new Map(graph.values)
  const extents = new Map<string, readonly Extent[]>()
  const keepExtents = (name: string, reason: string): void =>
    extents.get(name)?.forEach(each => typeof each === 'object' && protect(each, reason))
  const keep = (name: string, reason: string): void => {
    weights.keep(name, reason)
    keepExtents(name, reason)
    values.get(name)?.forEach(axis => protect(axis, reason))
  }
  const value: LabelScope['value'] = name => {
    if (weights.shapeOf(name)) weights.keep(name, `"${name}" is used as a value too`)
    keepExtents(name, 'the graph computes with their number')
    return values.get(name)
  }
  const scope = graph.scope({
    ...{ value, numbers, extents: name => extents.get(name ?? '') },
    ...{ shapeOf: weights.shapeOf, write: weights.write, bind: weights.bind },
  })
  for (const { inputs, outputs, inner = [], called, ...rules } of ordered(graph.nodes, new Set(values.keys()))) {
    const moved = rules.extents?.(scope)
    if (moved) {
      extents.set(outputs[0], moved)
      values.set(outputs[0], undefined)
      continue
    }
    const made = rules.rule ? rules.rule(scope) : 'there is no rule for it'
    const reason = `${called}: ${typeof made === 'string' ? made : 'its inner graph asks for them'}`
    for (const name of [...(typeof made === 'string' ? inputs : []), ...inner]) keep(name, reason)
    outputs.forEach((name, i) => values.set(name, typeof made === 'string' ? undefined : made[i]))
  }
  for (const name of graph.outputs) {
    const reason = 'they are what the graph gives'
    const free = graph.returned?.get(name)
    if (free === undefined) keep(name, reason)
    else values.get(name)?.forEach((axis, i) => i !== free && protect(axis, reason))
  }
  return { weights, values, numbers, extents }
}
