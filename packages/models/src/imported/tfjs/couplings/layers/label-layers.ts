import type { Axes } from '../../../couplings/axes.js'
import { labelNodes, type LabelledNode } from '../../../couplings/label-nodes.js'
import { weightLabels } from '../../../couplings/weight-labels.js'
import { nodesBefore } from '../../nodes.js'
import type { TfjsLabels } from '../graph/label-graph.js'
import { toldExtents, type TfjsScope } from '../scope.js'
import type { TfjsWeights } from '../tfjs-weights.js'
import { describedOf, isRecord, keyOf, listOf, modelOf, settingOf, type Described, type Json } from './config.js'
import { IMAGE_LAYERS } from './images.js'
import { batchShape, type LayerCall, type LayerRule } from './rule.js'
import { VALUE_LAYERS } from './values.js'

/** How layers move labels; those that are not here protect what reaches them. */
export const LAYER_RULES: Readonly<Record<string, LayerRule>> = { ...IMAGE_LAYERS, ...VALUE_LAYERS }

/** Models that call models twice, which call models twice, would have calls without end. */
const MOST_CALLS = 1 << 16

type Node = LabelledNode<TfjsScope>

/** What the walk over a topology finds. */
interface Found {
  readonly nodes: Node[]
  readonly inputs: Map<string, Axes | undefined>
  weightOf(layer: string, weight: string): string | undefined
}

/** The weight of the manifest that a layer's is loaded from: of its name, or of one with a level more, as tfjs looks it up. */
const weightsByLayer = (weights: TfjsWeights): Found['weightOf'] => {
  const names = new Map<string, string>()
  for (const { name } of weights.all()) {
    const parts = name.split('/')
    names.set([...parts.slice(0, -2), parts[parts.length - 1]].join('/'), name)
  }
  for (const { name } of weights.all()) names.set(name, name)
  return (layer, weight) => names.get(`${layer}/${weight}`)
}

/** Tells the batch shape that a layer of a model names, whatever comes into it. */
const tellBatchShape = (config: Json, axes: Axes | undefined, scope: TfjsScope): void => {
  for (const key of ['batch_input_shape', 'batch_shape'].map(each => keyOf(config, each)))
    if (axes && listOf(config[key]).length === axes.length) scope.tell(config, key, axes)
}

/** The input of a model: one of its own, or what the model that it stands in calls it with. */
const enter = (config: Json, name: string, given: string | undefined, { nodes, inputs }: Found): void => {
  if (given === undefined) return void inputs.set(name, batchShape(config))
  const rule = (scope: TfjsScope) => {
    const axes = scope.value(given)
    tellBatchShape(config, axes, scope)
    return [axes]
  }
  nodes.push({ inputs: [given], outputs: [name], called: 'InputLayer', rule })
}

/** A call of a layer, or of a model inside of the model, whose outputs get these names. */
const call = ({ className, config }: Described, inputs: readonly string[], name: string, found: Found): string => {
  const output = `${name}:0`
  const layer = isRecord(config) ? config : {}
  const called = `${className} (${JSON.stringify(settingOf(layer, 'name') ?? '')})`
  const isModel = layersOf(config).length > 0 && ['Sequential', 'Model', 'Functional'].includes(className)
  if (isModel && found.nodes.length < MOST_CALLS) {
    const given = walk({ className, config }, inputs, `${name}/`, found)
    given.forEach((each, i) => found.nodes.push({ inputs: [each], outputs: [`${name}:${i}`], called, rule: scope => [scope.value(each)] }))
    return output
  }
  const rule = Object.hasOwn(LAYER_RULES, className) && !isModel ? LAYER_RULES[className] : undefined
  const weight: LayerCall['weight'] = each => found.weightOf(String(settingOf(layer, 'name')), each)
  const ruled = (scope: TfjsScope) => {
    tellBatchShape(layer, inputs.length === 1 ? scope.value(inputs[0]) : undefined, scope)
    const made = rule!({ className, config: layer, inputs, weight }, scope)
    return typeof made === 'string' ? made : [made]
  }
  found.nodes.push({ inputs, outputs: [output], called, ...(rule && { rule: ruled }) })
  return output
}

const layersOf = (config: unknown): readonly unknown[] =>
  Array.isArray(config) ? listOf(config) : isRecord(config) ? listOf(config.layers) : []

/** Layers one behind the other. */
const walkSequential = (config: unknown, given: string | undefined, path: string, found: Found): readonly string[] => {
  const [first, ...rest] = layersOf(config).flatMap(each => describedOf(each) ?? [])
  if (!first) return []
  const input = `${path}:0`
  const isInput = first.className === 'InputLayer'
  if (given === undefined || isInput) enter(isRecord(first.config) ? first.config : {}, input, given, found)
  const layers = isInput ? rest : [first, ...rest]
  return [layers.reduce((x, layer, i) => call(layer, [x], `${path}${i}`, found), given === undefined || isInput ? input : given)]
}

/** Layers that name what they are called with: each call by the name of the layer and its number. */
const walkFunctional = (config: Json, given: readonly string[] | undefined, path: string, found: Found): readonly string[] => {
  const valueOf = (reference: unknown): string => {
    const [name, node, tensor] = listOf(reference)
    return `${path}${String(name)}@${String(node ?? 0)}:${String(tensor ?? 0)}`
  }
  const inputs = listOf(settingOf(config, 'input_layers')).map(valueOf)
  for (const layer of listOf(config.layers).filter(isRecord)) {
    const described = describedOf(layer)
    if (!described) continue
    const name = `${path}${String(layer.name)}`
    const own = isRecord(described.config) ? described.config : {}
    const at = inputs.indexOf(`${name}@0:0`)
    if (described.className === 'InputLayer') enter(own, `${name}@0:0`, at < 0 ? undefined : given?.[at], found)
    listOf(layer.inbound_nodes ?? layer.inboundNodes).forEach((each, i) =>
      call(described, listOf(each).map(valueOf), `${name}@${nodesBefore(layer) + i}`, found),
    )
  }
  return listOf(settingOf(config, 'output_layers')).map(valueOf)
}

/** Walks through a model, and gives the names of what comes out. */
const walk = ({ className, config }: Described, given: readonly string[] | undefined, path: string, found: Found): readonly string[] =>
  className === 'Sequential' || !isRecord(config)
    ? walkSequential(config, given?.[0], path, found)
    : walkFunctional(config, given, path, found)

/** Moves labels through all calls of a model of layers; whatever reaches a layer without a rule or an output stays whole. */
export const labelTfjsLayers = (topology: unknown, weights: TfjsWeights): TfjsLabels => {
  const found: Found = { nodes: [], inputs: new Map(), weightOf: weightsByLayer(weights) }
  const model = modelOf(topology)
  const outputs = model ? walk(model, undefined, '> ', found) : []
  const told = toldExtents()
  const labels = labelNodes<TfjsScope>({
    nodes: found.nodes,
    values: found.inputs,
    weights: weightLabels(weights.all().filter(({ isFloat, shape }) => isFloat && shape.length > 0)),
    numbers: () => undefined,
    outputs,
    scope: shared => ({ ...shared, tell: told.tell }),
  })
  return { labels, told }
}
