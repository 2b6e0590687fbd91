import { plain, protect, type Axes } from '../../../couplings/axes.js'
import { labelNodes, type LabelledNode, type Labels } from '../../../couplings/label-nodes.js'
import { weightLabels } from '../../../couplings/weight-labels.js'
import type { TfjsWeights } from '../tfjs-weights.js'
import { toldExtents, type TfjsScope, type ToldExtents } from '../scope.js'
import { shapeOf, type GraphNode, type RawNode } from './attributes.js'
import { EXTENTS } from './extents.js'
import { IMAGE_RULES } from './images.js'
import { PRODUCT_RULES } from './products.js'
import type { Rule } from './rule.js'
import { SHAPE_RULES } from './shapes.js'

/** How operators of tfjs graphs move labels; those that are not here protect what reaches them. */
export const GRAPH_RULES: Readonly<Record<string, Rule>> = { ...IMAGE_RULES, ...PRODUCT_RULES, ...SHAPE_RULES }

/** The first output of a node is called after it alone. */
const bare = (input: string): string => input.replace(/:0$/, '')
const nodeOf = (input: string): string => input.replace(/:\d+$/, '')

/** What a constant is behind nodes that only hand it on. */
const handedOn = (nodes: readonly RawNode[], weights: TfjsWeights): ((input: string) => string) => {
  const same = new Map(nodes.flatMap(({ name, op, input }) => (op === 'Identity' && input?.[0] ? [[name, bare(input[0])] as const] : [])))
  return input => {
    let name = input
    for (let steps = 0; same.has(name) && steps < 8; steps++) name = same.get(name)!
    return weights.has(name) ? name : input
  }
}

/** Outputs of a node that anything asks for, in order. */
const outputsOf = (name: string, asked: ReadonlySet<string>): readonly string[] => {
  const outputs = [name]
  while (outputs.length < 64 && asked.has(`${name}:${outputs.length}`)) outputs.push(`${name}:${outputs.length}`)
  return outputs
}

/** Nodes that a signature names, and those that nobody reads. */
const givenBy = (nodes: readonly GraphNode[], signature: unknown): readonly string[] => {
  const { outputs = {} } = (signature ?? {}) as { outputs?: Readonly<Record<string, { readonly name?: unknown } | null>> }
  const named = Object.values(outputs).flatMap(each => (typeof each?.name === 'string' ? [bare(each.name)] : []))
  const asked = new Set(nodes.flatMap(({ input }) => input.map(nodeOf)))
  return [...named, ...nodes.filter(({ name }) => !asked.has(name)).map(({ name }) => name)]
}

/** Inputs that take a constant for the extents of what they make, by operator. */
const SHAPES: Readonly<Record<string, number>> = { Reshape: 1, Conv2DBackpropInput: 0, Slice: 2 }
const isShapeOf = ({ op }: GraphNode, at: number): boolean => Object.hasOwn(SHAPES, op) && SHAPES[op] === at

/** A constant says extents where nothing else is read from it. */
const onlyExtents = (nodes: readonly GraphNode[]): ((name: string) => boolean) => {
  const others = new Set(nodes.flatMap(node => node.input.filter((_, at) => !isShapeOf(node, at))))
  return name => !others.has(name)
}

const labelled = (node: GraphNode, asked: ReadonlySet<string>): LabelledNode<TfjsScope> => {
  const extents = Object.hasOwn(EXTENTS, node.op) ? EXTENTS[node.op] : undefined
  const rule = Object.hasOwn(GRAPH_RULES, node.op) ? GRAPH_RULES[node.op] : undefined
  return {
    ...{ inputs: node.input, outputs: outputsOf(node.name, asked), called: `${node.op} (${JSON.stringify(node.name)})` },
    ...(extents && { extents: (scope: TfjsScope) => extents(node, scope) }),
    ...(rule && { rule: (scope: TfjsScope) => rule(node, scope) }),
  }
}

const axesOfInput = (node: RawNode): Axes | undefined => shapeOf(node)?.map(extent => plain(extent < 0 ? undefined : extent))

/** What stands on the axes of a graph, and which constants say extents. */
export interface TfjsLabels {
  readonly labels: Labels
  readonly told: ToldExtents
}

/** Moves labels through all nodes of a frozen graph; whatever reaches a node without a rule or an output stays whole. */
export const labelTfjsGraph = (raw: readonly RawNode[], signature: unknown, weights: TfjsWeights): TfjsLabels => {
  const nameOf = handedOn(raw, weights)
  const given = raw.map(node => ({
    ...node,
    input: (node.input ?? []).filter(name => !name.startsWith('^')).map(name => nameOf(bare(name))),
  }))
  const nodes = given.filter(({ op, name }) => op !== 'Const' && !(op === 'Identity' && weights.has(nameOf(name))))
  const inputs = nodes.filter(({ op }) => op.startsWith('Placeholder') && op !== 'PlaceholderWithDefault')
  const asked = new Set(nodes.flatMap(({ input }) => input))
  const told = toldExtents()
  const saysExtents = onlyExtents(nodes)
  const tell: TfjsScope['tell'] = (of, key, axes) => {
    if (typeof of === 'string' && !saysExtents(of)) for (const axis of axes) protect(axis, `"${of}" says more than extents`)
    told.tell(of, key, axes)
  }
  const labels = labelNodes<TfjsScope>({
    nodes: nodes.filter(node => !inputs.includes(node)).map(node => labelled(node, asked)),
    values: [
      ...inputs.map(node => [node.name, axesOfInput(node)] as const),
      ...weights.all().map(({ name, shape }) => [name, shape.map(plain)] as const),
    ],
    weights: weightLabels(weights.all().filter(({ isFloat, shape }) => isFloat && shape.length > 0)),
    numbers: name => weights.numbers(name),
    outputs: givenBy(nodes, signature).map(nameOf),
    scope: shared => ({ ...shared, tell }),
  })
  return { labels, told }
}
