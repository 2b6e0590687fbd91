import { withStoredGrids, type AttentionFacts, type Env } from '@tersor/core'
import type { GraphDecoding, GraphNeeds, GraphRunner } from '@tersor/models/graph-model'
import type { RawConfig } from '@tersor/models/raw-config'
import { CompressionError } from '@tersor/tensor'
import type { LoadedGraph, OnnxModel } from '../model.js'
import { attentionNodes, type AttentionNodes } from './attention-nodes.js'
import { numberOf } from '../file/attributes.js'
import { DOORS, withCacheDoors } from './edit.js'
import { factsOf } from './facts.js'
import { layersOf, type GraphLayer } from './layers.js'
import { graphMemory, type RunnableLayer } from './memory.js'
import { probePlain } from './probe.js'

type Nodes = readonly (AttentionNodes | undefined)[]

const noAttention = (index: number): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `Layer ${index} of the graph attends by operators that are not known here, so nothing can be hidden from it or read of it.`,
    'Leave the plan out, or generate from the folder that the graph was made of.',
    { layer: index },
  )

const noPositions = (): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    'The graph takes no position_ids, so tokens behind evicted ones would stand at places that are not theirs.',
    'Export it with position_ids, as transformers.js wants them, or leave the plan out.',
  )

const noCodes = (bits: number, index: number): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `The cache is asked for in ${bits} bits, and layer ${index} of the graph is no GroupQueryAttention, which alone keeps codes.`,
    'Leave the bits out, or export the graph with fused attention: onnxDecoderSink with attention: "fused".',
    { bits, layer: index },
  )

const checkNeeds = (nodes: Nodes, layers: readonly GraphLayer[], inputs: ReadonlySet<string>, { planned, bits }: GraphNeeds): void => {
  if (!planned && !bits) return
  const unknown = nodes.findIndex(each => each === undefined)
  if (unknown >= 0) throw noAttention(layers[unknown].index)
  const plain = nodes.findIndex(each => each?.kind === 'plain')
  if (bits && plain >= 0) throw noCodes(bits, layers[plain].index)
  if (planned && plain >= 0 && !inputs.has('position_ids')) throw noPositions()
}

/** How each layer is run in the edited graph. */
const runnableLayers = (
  layers: readonly GraphLayer[],
  nodes: readonly AttentionNodes[],
  facts: readonly AttentionFacts[],
  observed: boolean,
  probed: readonly { readonly rank: number; readonly factor: number }[],
): readonly RunnableLayer[] =>
  layers.map((layer, i) => ({
    ...layer,
    facts: facts[i],
    bias: nodes[i].kind === 'fused' ? { rank: 4, fused: true } : { rank: probed[i].rank, fused: false },
    ...(observed ? { factor: nodes[i].kind === 'fused' ? 1 : probed[i].factor } : {}),
  }))

/** Whether a node turns keys itself, and is told by the edit where they stand. */
const takesPositions = (nodes: AttentionNodes | undefined): boolean => nodes?.kind === 'fused' && numberOf(nodes.node, 'do_rotary', 0) === 1

interface Opening {
  readonly model: Pick<OnnxModel, 'load' | 'inputs' | 'params' | 'stages'>
  readonly layers: readonly GraphLayer[]
  readonly nodes: Nodes
  readonly facts: readonly AttentionFacts[]
}

const openRunner = ({ model, layers, nodes, facts }: Opening, env: Env, needs: GraphNeeds): GraphRunner => {
  const { planned, observed, bits } = needs
  const inputs = new Set(model.inputs.map(({ name }) => name))
  checkNeeds(nodes, layers, inputs, needs)
  const opened: LoadedGraph[] = []
  const dispose = (): void => opened.forEach(({ session }) => session.dispose())
  const load = (edit?: (bytes: Uint8Array) => Uint8Array): LoadedGraph => {
    const graph = model.load(env, edit)
    opened.push(graph)
    return graph
  }
  try {
    const isEdited = planned || bits !== undefined
    const isPlain = nodes.some(each => each?.kind === 'plain')
    const graph = load(isEdited ? bytes => withCacheDoors(bytes, layers, { observed: observed || isPlain }) : undefined)
    const coded = bits && { bits, graph: load(bytes => withCacheDoors(bytes, layers, { observed, bits })) }
    const probed = isEdited && isPlain ? probePlain(graph, inputs, layers, facts) : []
    const runnable = {
      ...{ graph, inputs: isEdited && nodes.some(takesPositions) ? new Set([...inputs, DOORS.positions]) : inputs },
      layers: isEdited
        ? runnableLayers(
            layers,
            nodes.filter(each => each !== undefined),
            facts,
            observed,
            probed,
          )
        : layers.map((layer, i) => ({ ...layer, facts: facts[i] })),
      ...(coded ? { coded } : {}),
    }
    return { memory: scales => graphMemory(runnable, undefined, scales), dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

/** How sessions run a decoder's graph; undefined for one that remembers nothing. */
export const decodingOf = (model: OnnxModel, rawConfig: RawConfig): GraphDecoding | undefined => {
  const layers = layersOf(model.inputs, model.outputs)
  if (!layers) return undefined
  const nodes = attentionNodes(model.onnx.graph, layers)
  const attention = factsOf(layers, nodes, rawConfig)
  const opening: Opening = { model, layers, nodes, facts: attention }
  return { attention, open: async (env, needs) => openRunner(opening, withStoredGrids(model, env), needs) }
}
