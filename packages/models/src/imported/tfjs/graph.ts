import * as tf from '@tensorflow/tfjs-core'
import type * as ConverterModule from '@tensorflow/tfjs-converter'
import type { Env } from '@tersor/core'
import type { TfjsModel } from '@tersor/formats/tfjs'
import { CompressionError } from '@tersor/tensor'
import type { GraphTensors, GraphValue } from '../graph-model.js'
import { convolutionTfjsSite, linearTfjsSite, tfjsSiteInput, type Padding, type TfjsSite } from './site.js'

/** What runs a tfjs network: the sites that it has, and a way to run it on given weights. */
export interface TfjsRunner {
  readonly sites: readonly TfjsSite[]
  readonly inputs: readonly GraphValue[]
  readonly outputs: readonly GraphValue[]
  /** Weights that it asks for. */
  readonly parameters: readonly string[]
  /** Those that no training changes. */
  readonly buffers: readonly string[]
  run(inputs: GraphTensors, env: Env): GraphTensors
  dispose(): void
}

type Converter = typeof ConverterModule

/** The part of the converter's own graph that is read; it is not in its types. */
interface Node {
  readonly name: string
  readonly op: string
  readonly inputNames: readonly string[]
  readonly children: readonly Node[]
  readonly attrParams: Readonly<Record<string, { readonly value?: unknown } | undefined>>
}
interface Executor {
  readonly graph: { readonly nodes: Readonly<Record<string, Node>> }
  weightMap: Record<string, tf.Tensor[]>
}
interface RawNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
}

const LINEAR = new Set(['MatMul', '_FusedMatMul', 'BatchMatMul', 'BatchMatMulV2'])
const CONVOLUTION = new Set(['Conv2D', '_FusedConv2D'])
const DEPTHWISE = new Set(['DepthwiseConv2dNative', 'FusedDepthwiseConv2dNative'])
/** (x, gain, bias, mean, variance). */
const NORM = /^FusedBatchNorm(V[23])?$/
/** Ops whose work or size hangs on values, which tfjs runs only asynchronously. */
const DYNAMIC = /^(Switch|Merge|Enter|Exit|NextIteration|LoopCond|(Stateless)?(If|While)|NonMaxSuppression.*|Where|ListDiff)$/

const bare = (input: string): string => input.replace(/^\^/, '').replace(/:\d+$/, '')

/** The weight behind an input, through nodes that hand it on. */
const weightBehind = (nodes: Executor['graph']['nodes'], input: string | undefined, { manifest }: TfjsModel): string | undefined => {
  let name = input === undefined ? '' : bare(input)
  for (let steps = 0; nodes[name]?.op === 'Identity' && steps < 8; steps++) name = bare(nodes[name].inputNames[0] ?? '')
  return manifest.weights.get(name)?.dtype === 'float32' ? name : undefined
}

/** Running means and variances, and lone numbers, which say what a node does. */
const buffersOf = (nodes: Executor['graph']['nodes'], model: TfjsModel): readonly string[] => [
  ...Object.values(nodes)
    .filter(({ op }) => NORM.test(op))
    .flatMap(({ inputNames }) => inputNames.slice(3, 5).flatMap(input => weightBehind(nodes, input, model) ?? [])),
  ...[...model.manifest.weights.values()].filter(({ shape }) => shape.length === 0).map(({ name }) => name),
]

const list = (value: unknown): readonly number[] => (Array.isArray(value) ? value.map(Number) : [])

/** The bias that the node itself adds, or the only node behind it. */
const biasOf = (nodes: Executor['graph']['nodes'], node: Node, model: TfjsModel): string | undefined => {
  const fused = node.attrParams.fusedOps?.value
  if (Array.isArray(fused) && fused[0] === 'BiasAdd') return weightBehind(nodes, node.inputNames[2], model)
  const [next] = node.children
  return node.children.length === 1 && next.op === 'BiasAdd' ? weightBehind(nodes, next.inputNames[1], model) : undefined
}

const paddingOf = (node: Node): Padding | undefined => {
  const pad = node.attrParams.pad?.value
  if (pad === 'same' || pad === 'valid') return pad
  const explicit = list(node.attrParams.explicitPaddings?.value)
  return pad === 'explicit' && explicit.length === 8 ? [explicit[2], explicit[3], explicit[4], explicit[5]] : undefined
}

/** A node as a site; undefined where it multiplies no constant, or in a way that has no rows: dilated, channels first, several kernels a channel. */
const siteOf = (nodes: Executor['graph']['nodes'], node: Node, model: TfjsModel): TfjsSite | undefined => {
  const weight = weightBehind(nodes, node.inputNames[1], model)
  if (weight === undefined) return undefined
  const { shape } = model.manifest.weights.get(weight)!
  const kind = { weight, bias: biasOf(nodes, node, model), shape }
  if (LINEAR.has(node.op)) {
    const isFlat = shape.length === 2 && !node.attrParams.transposeA?.value
    return isFlat ? linearTfjsSite(node.name, kind, Boolean(node.attrParams.transposeB?.value)) : undefined
  }
  const depthwise = DEPTHWISE.has(node.op)
  if ((!depthwise && !CONVOLUTION.has(node.op)) || shape.length !== 4 || (depthwise && shape[3] !== 1)) return undefined
  const [, down, across] = list(node.attrParams.strides?.value)
  const padding = paddingOf(node)
  const isPlain = list(node.attrParams.dilations?.value).every(step => step === 1) && node.attrParams.dataFormat?.value !== 'NCHW'
  if (!isPlain || padding === undefined || !(down > 0) || !(across > 0)) return undefined
  return convolutionTfjsSite(node.name, kind, { strides: [down, across], padding, depthwise })
}

const handlerOf = (model: TfjsModel, topology: object): tf.io.IOHandlerSync => {
  const { format, signature, userDefinedMetadata } = model.description as {
    format?: string
    signature?: object
    userDefinedMetadata?: object
  }
  const artifacts = {
    modelTopology: topology,
    weightSpecs: [],
    weightData: new ArrayBuffer(0),
    ...(format === undefined ? {} : { format }),
  }
  return {
    load: () =>
      ({
        ...artifacts,
        ...(signature ? { signature } : {}),
        ...(userDefinedMetadata ? { userDefinedMetadata } : {}),
      }) as tf.io.ModelArtifacts,
  }
}

/** Puts a node before each site, which shows what comes in and hands on what the site shall multiply; it knows the site by its number. */
const withProbes = (topology: { readonly node: readonly RawNode[] }, sites: readonly TfjsSite[], op: string): object => {
  const numbers = new Map(sites.map(({ site }, number) => [site.name, number]))
  return {
    ...topology,
    node: topology.node.flatMap(node => {
      const number = numbers.get(node.name)
      if (number === undefined) return [node]
      const [first, ...rest] = node.input ?? []
      const probe = { name: `${node.name}/${op}`, op, input: [first], attr: { site: { i: String(number) } } }
      return [probe, { ...node, input: [probe.name, ...rest] }]
    }),
  }
}

const valueOf = ({ name, shape, dtype }: { name: string; shape?: readonly number[]; dtype?: string }): GraphValue => ({
  name,
  dtype: dtype ?? 'float32',
  shape: shape?.map(extent => (extent === null || extent < 0 ? null : extent)),
})

/** The constants that are strings, as tensors of the caller's tidy. */
const stringsOf = ({ manifest }: TfjsModel) => {
  const found = [...manifest.weights.values()].filter(({ content }) => content !== undefined)
  return (): readonly (readonly [name: string, tensors: tf.Tensor[]])[] =>
    found.map(({ name, shape, content }) => {
      const { [name]: strings } = tf.io.decodeWeights(content!.slice().buffer, [{ name, shape: [...shape], dtype: 'string' }])
      return [name, [strings]]
    })
}

/** What some work gives; where it fails, something is undone first. */
const orElse = <T>(undo: () => void, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    undo()
    throw error
  }
}

let probes = 0 // ops are registered by name for the whole process, so each model has a name of its own

/** Runs a graph by tfjs's own executor. Throws UNSUPPORTED for graphs with control flow. */
export const tfjsGraph = (model: TfjsModel, { GraphModel, registerOp, deregisterOp }: Converter): TfjsRunner => {
  const topology = model.description.modelTopology as { readonly node: readonly RawNode[] }
  const dynamic = topology.node.find(({ op }) => DYNAMIC.test(op))
  if (dynamic)
    throw new CompressionError(
      'UNSUPPORTED',
      `The node "${dynamic.name}" is ${dynamic.op}, whose work hangs on values.`,
      'Export the part of the graph without control flow.',
      { node: dynamic.name, op: dynamic.op },
    )
  const load = (graph: object) => {
    const loaded = new GraphModel(handlerOf(model, graph))
    loaded.load()
    return { loaded, executor: loaded['executor'] as Executor }
  }
  const { nodes } = load(topology).executor.graph
  const found = topology.node.flatMap(({ name }) => (nodes[name] ? (siteOf(nodes, nodes[name], model) ?? []) : []))
  const op = `TersorSiteInput${probes++}`
  let active: Env | undefined
  registerOp(op, node => {
    const [x] = node.inputs
    const site = found[Number(node.attrs.site)]
    return tf.clone(site && active ? tfjsSiteInput(site, x, active) : x)
  })
  const { loaded, executor } = orElse(
    () => deregisterOp(op),
    () => load(withProbes(topology, found, op)),
  )
  const parameters = model.params.names()
  const strings = stringsOf(model)
  const outputs = loaded.outputs.map(valueOf)
  return {
    sites: found,
    inputs: loaded.inputs.map(valueOf),
    outputs,
    parameters,
    buffers: buffersOf(nodes, model),
    run: (inputs, env) => {
      active = env
      const cast = (name: string): tf.Tensor =>
        model.manifest.weights.get(name)!.dtype === 'bool' ? tf.cast(env.weights(name), 'bool') : env.weights(name)
      executor.weightMap = Object.fromEntries([...parameters.map(name => [name, [cast(name)]] as const), ...strings()])
      try {
        const results = [
          loaded.execute(
            { ...inputs },
            outputs.map(({ name }) => name),
          ),
        ].flat()
        return Object.fromEntries(outputs.map(({ name }, index) => [name, results[index]]))
      } finally {
        executor.weightMap = {}
        active = undefined
      }
    },
    dispose: () => deregisterOp(op),
  }
}
