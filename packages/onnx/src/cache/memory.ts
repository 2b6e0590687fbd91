import * as tf from '@tensorflow/tfjs-core'
import type { Native, NativeOutput, NativeTensor } from '@tersor/backend-ort/binding'
import type { AttentionFacts, Entries } from '@tersor/core'
import type { CodeScales, GraphMemory } from '@tersor/models/graph-model'
import type { LoadedGraph } from '../model.js'
import { stopped } from '../model/session.js'
import { codedLayer, layerFloats, PARTS, widened, type LayerState } from './coded-layer.js'
import { DOORS } from './edit.js'
import { again, floatsOf, floatTensor, wholeTensor } from './graph-tensors.js'
import { entriesIn, heldRowsOf, paddedRows, type HeldRows, type Since } from './held-rows.js'
import { hiddenEntries } from './hidden-entries.js'
import type { GraphLayer } from './layers.js'

/** How one layer is run. */
export interface RunnableLayer extends GraphLayer {
  readonly facts: AttentionFacts
  /** How many axes its scores have, where a bias is fed; a fused node wants four in full. */
  readonly bias?: { readonly rank: number; readonly fused: boolean }
  /** What queries of it are multiplied by to be those of its facts; absent where they are not shown. */
  readonly factor?: number
}

/** A graph with its weights, and the same with codes for keys and values. */
export interface Runnable {
  readonly graph: LoadedGraph
  readonly layers: readonly RunnableLayer[]
  /** Inputs of the graph as it was. */
  readonly inputs: ReadonlySet<string>
  readonly coded?: { readonly bits: 8 | 4; readonly graph: LoadedGraph }
}

/** Scales are those of the first entries: with fewer, later ones would fall outside of them. */
export const CODED_FROM = 32
/** Scales grow by a quarter each: beyond that an entry is a thousand times as large as all before, and is cut. */
const MOST_ROUNDS = 32

export interface MemoryState extends Since {
  readonly layers: readonly LayerState[]
  /** Entries of the tensors, padding among them, when they were taken. */
  readonly width: number
}

const emptyRows = (heads: number): readonly HeldRows[] => [{ from: 0, to: heads, count: 0 }]

const emptyState = (native: Native, layers: readonly RunnableLayer[]): MemoryState => ({
  ...{ first: 0, added: 0, width: 0 },
  layers: layers.map(({ dtype, keyHeads, size }) => {
    const none = floatTensor(native, dtype, new Float32Array(0), [1, keyHeads, 0, size])
    return { keys: none, values: none, rows: emptyRows(keyHeads) }
  }),
})

/** The bias of a layer in the axes of its scores. */
const biasOf = (native: Native, { dtype, facts, bias }: RunnableLayer, hidden: Float32Array | undefined, tokens: number, width: number) => {
  const { heads, keyHeads } = facts
  const { rank, fused } = bias!
  const type = fused ? dtype : 'float32'
  if (!hidden) return floatTensor(native, type, new Float32Array(fused ? tokens * width : 1), fused ? [1, 1, tokens, width] : new Array<number>(rank).fill(1)) // prettier-ignore
  if (rank === 5) return floatTensor(native, type, hidden, [1, keyHeads, 1, tokens, width])
  const each = tokens * width
  const all = new Float32Array(heads * each)
  for (let head = 0; head < heads; head++) {
    const from = Math.floor((head * keyHeads) / heads) * each
    all.set(hidden.subarray(from, from + each), head * each)
  }
  return floatTensor(native, type, all, [...new Array<number>(rank - 3).fill(1), heads, tokens, width])
}

const biasFeeds = (native: Native, layers: readonly RunnableLayer[], state: MemoryState, tokens: number) => {
  const width = state.width + state.added
  return layers.flatMap((layer, i) => {
    if (!layer.bias) return []
    const hidden = hiddenEntries({ rows: state.layers[i].rows, since: state, width, tokens, window: layer.facts.window ?? null })
    return [[DOORS.bias(layer.index), biasOf(native, layer, hidden, tokens, width + tokens)] as const]
  })
}

const pastFeeds = (native: Native, layers: readonly RunnableLayer[], state: MemoryState) =>
  layers.flatMap(({ index, keys, values, keyHeads, size }, i) => {
    const held = state.layers[i]
    const scale = (part: 'keys' | 'values') => [DOORS.scales(index, part), native.typed('float32', held.scales![part], [keyHeads * size])] as const // prettier-ignore
    return [[keys.past, held.keys] as const, [values.past, held.values] as const, ...(held.scales ? PARTS.map(scale) : [])]
  })

/** The logits after the last token, of (1, tokens, vocabulary). */
const lastLogits = (output: NativeOutput): Float32Array => floatsOf(output).slice(-output.dims[output.dims.length - 1])

const queriesIn = (results: Readonly<Record<string, NativeOutput>>, layers: readonly RunnableLayer[], tokens: number): tf.Tensor4D[] =>
  layers.flatMap(({ index, facts: { heads, keyHeads, size }, factor }) => {
    if (factor === undefined) return []
    const values = floatsOf(results[DOORS.queries(index)]).map(value => value * factor)
    return [tf.tensor4d(values, [keyHeads, heads / keyHeads, tokens, size])]
  })

/** Runs a graph over more tokens. */
const runStep = ({ graph, layers, inputs, coded }: Runnable, state: MemoryState, ids: readonly number[], next: number) => {
  const isCoded = state.layers[0].scales !== undefined
  const { native, session, constants } = isCoded ? coded!.graph : graph
  const tokens = ids.length
  const width = state.width + state.added
  const usual: Readonly<Record<string, () => NativeTensor>> = {
    input_ids: () => wholeTensor(native, tokens, i => ids[i]),
    attention_mask: () => wholeTensor(native, width + tokens, () => 1),
    position_ids: () => wholeTensor(native, tokens, i => next + i),
  }
  const feeds = Object.fromEntries([
    ...Object.entries(usual).flatMap(([name, make]) => (inputs.has(name) ? [[name, make()] as const] : [])),
    ...pastFeeds(native, layers, state),
    ...biasFeeds(native, layers, { ...state, first: state.added === 0 ? next : state.first }, tokens),
    ...Object.entries(constants),
  ])
  const presents = layers.flatMap(({ keys, values }) => [keys.present, values.present])
  const shown = layers.flatMap(({ index, factor }) => (factor === undefined ? [] : [DOORS.queries(index)]))
  try {
    return session.fetch(feeds, ['logits', ...presents, ...shown])
  } catch (cause) {
    throw stopped(cause, `input_ids (1, ${tokens}), past of ${width} entries`)
  }
}

/** What one text left in a graph, from a state on. */
export const graphMemory = (runnable: Runnable, begin?: MemoryState, scales: readonly CodeScales[] = []): GraphMemory => {
  const { graph, layers, coded } = runnable
  const { native } = graph
  let state = begin ?? emptyState(native, layers)
  let found = scales
  /** Makes codes of what is held once there is enough to see its range, and again of what was taken by the ranges found then. */
  const code = (): void => {
    if (!coded || state.layers[0].scales || (found.length === 0 && state.width + state.added < CODED_FROM)) return
    state = { ...state, layers: layers.map((layer, i) => codedLayer(native, layer, state.layers[i], coded.bits, found[i])) }
    found = state.layers.map(layer => layer.scales!)
  }
  const plainStep = (ids: readonly number[], next: number) => {
    const results = runStep(runnable, state, ids, next)
    const grown = layers.map(({ keys, values }, i): LayerState => {
      const given = { keys: again(results[keys.present]), values: again(results[values.present]) }
      return { ...state.layers[i], ...given }
    })
    return { results, grown }
  }
  /** Runs a step again with scales that reach farther where an entry would be cut; what was held before is coded anew. */
  const wideStep = (ids: readonly number[], next: number, bits: 8 | 4): ReturnType<typeof plainStep> => {
    for (let round = 0; ; round++) {
      const step = plainStep(ids, next)
      const wider = layers.map((layer, i) => widened(native, layer, state.layers[i], step.grown[i], { bits, tokens: ids.length }))
      if (round === MOST_ROUNDS || wider.every(each => each === undefined)) return step
      state = { ...state, layers: wider.map((each, i) => each ?? state.layers[i]) }
    }
  }
  return {
    step: async (ids, next) => {
      const { results, grown } = coded && state.layers[0].scales ? wideStep(ids, next, coded.bits) : plainStep(ids, next)
      const first = state.added === 0 ? next : state.first
      state = { layers: grown, width: state.width, first, added: state.added + ids.length }
      found = found.length > 0 ? grown.map(({ scales: own }) => own!) : found
      code()
      return { logits: lastLogits(results.logits), queries: queriesIn(results, layers, ids.length) }
    },
    take: async held => {
      if (held.every(entries => entries.length === 0)) return void (state = emptyState(native, layers))
      const width = Math.max(...held.flat().map(({ keys }) => keys.shape[1]!))
      const taken: LayerState[] = []
      for (const [i, layer] of layers.entries()) taken.push(await takenLayer(native, layer, held[i], width))
      state = { layers: taken, width, first: 0, added: 0 }
      code()
    },
    give: () => {
      const width = state.width + state.added
      const given = width === 0 ? layers.map(() => []) : layers.map((layer, i) => givenLayer(layer, state.layers[i], width, state, coded?.bits)) // prettier-ignore
      state = emptyState(native, layers)
      return given
    },
    fork: () => graphMemory(runnable, state, found),
    get scales() {
      return found
    },
  }
}

const takenLayer = async (native: Native, layer: RunnableLayer, held: readonly Entries[], width: number): Promise<LayerState> => {
  const rows = heldRowsOf(held)
  const tensors: NativeTensor[] = []
  for (const part of PARTS) {
    const each = await Promise.all(held.map(entries => entries[part].data<'float32'>()))
    tensors.push(floatTensor(native, layer.dtype, paddedRows(each, rows, width, layer.size), [1, layer.keyHeads, width, layer.size]))
  }
  return { keys: tensors[0], values: tensors[1], rows }
}

const givenLayer = (layer: RunnableLayer, held: LayerState, width: number, since: Since, bits: 8 | 4 | undefined): readonly Entries[] => {
  const [keys, values] = PARTS.map(part => layerFloats(layer, held, part, bits))
  return entriesIn([keys, values], held.rows, width, layer.size, since)
}
