import { loadModel, piecesOf, type CachePlan, type Caches, type Stage } from '@tersor/core'
import { CompressionError, fromFloat32, toFloat32, type Dense } from '@tersor/tensor'
import type { CodeScales, GraphDecoding, GraphMemory } from '../imported/graph-decoding.js'
import type { TextGraph } from './generator.js'
import type { Decodable, SessionOptions, SessionSource } from './session-options.js'
import type { CachedSteps } from './token-steps.js'

const noMemory = (model: TextGraph): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `The graph ${model.architecture} takes no past keys and values that it gives back, so there is no cache to keep.`,
    'Export it with past_key_values and present, or leave plan and session out.',
  )

const decodingOf = (model: TextGraph): GraphDecoding => {
  if (model.decoding) return model.decoding
  throw noMemory(model)
}

/** Stands for a layer of a graph, which runs as a whole. */
const layerStage = (attention: GraphDecoding['attention'][number], index: number): Stage => ({
  name: `layers.${index}`,
  parameters: [],
  sites: [],
  attention,
  run: x => x,
})

/** What a graph says to sessions, a stage for each of its layers; throws UNSUPPORTED where it remembers nothing. */
export const graphDecodable = (model: TextGraph): Decodable => {
  const { params, topology, text } = model
  const { contextLength, vocabularySize, files } = text
  return {
    ...{ params, contextLength, vocabularySize, stages: decodingOf(model).attention.map(layerStage) },
    ...(topology ? { topology } : {}),
    ...(files ? { files } : {}),
  }
}

/** Steps of a graph over caches whose entries it holds meanwhile. */
const graphCachedSteps = (memory: GraphMemory, caches: Caches): CachedSteps => {
  const own = caches.layers.filter(layer => layer !== undefined)
  let isTaken = false
  const take = async (): Promise<void> => {
    if (isTaken) return
    await memory.take(own.map(layer => layer.held))
    own.forEach(layer => layer.giveAway().forEach(({ keys, values }) => [keys, values].forEach(tensor => tensor.dispose())))
    isTaken = true
  }
  const release = (): void => {
    if (!isTaken) return
    const entries = memory.give()
    own.forEach((layer, i) => layer.replace(entries[i]))
    isTaken = false
  }
  const run = async (ids: readonly number[]): Promise<Float32Array> => {
    await take()
    const { logits, queries } = await memory.step(ids, caches.next)
    own.forEach((layer, i) => {
      if (queries[i] && layer.queries.wanted > 0) layer.queries.add(queries[i], layer.next)
      queries[i]?.dispose()
      ids.forEach(() => layer.advance())
    })
    return logits
  }
  return {
    next: async (ids, signal) => {
      let logits!: Float32Array
      for (const { from, to, pause } of piecesOf(caches, ids.length)) {
        signal?.throwIfAborted()
        logits = await run(ids.slice(from, to))
        if (!caches.isDue(pause)) continue
        release()
        await caches.settle(pause, signal)
      }
      return logits
    },
    release,
    get kept() {
      return storedScales(memory.scales)
    },
    fork: copy => graphCachedSteps(memory.fork(), copy),
    dispose: () => {
      if (isTaken) memory.give().flat().forEach(({ keys, values }) => [keys, values].forEach(tensor => tensor.dispose())) // prettier-ignore
      isTaken = false
    },
  }
}

/** Scales of codes by name, as files hold them. */
const storedScales = (scales: readonly CodeScales[]): Readonly<Record<string, Dense>> =>
  Object.fromEntries(
    scales.flatMap(
      each =>
      (['keys', 'values'] as const).map(part => [`codes.${scales.indexOf(each)}.${part}`, fromFloat32(each[part], 'f32', [each[part].length])] as const), // prettier-ignore
    ),
  )

/** The same again; throws BAD_FILE for those of another graph. */
const readScales = (kept: Readonly<Record<string, Dense>>, attention: GraphDecoding['attention']): readonly CodeScales[] => {
  if (Object.keys(kept).length === 0) return []
  return attention.map(({ keyHeads, size }, i) => {
    const [keys, values] = ['keys', 'values'].map(part => kept[`codes.${i}.${part}`])
    if (
      keys?.dtype === 'f32' &&
      values?.dtype === 'f32' &&
      [keys, values].every(({ shape }) => String(shape) === String([keyHeads * size]))
    )
      return { keys: toFloat32(keys), values: toFloat32(values) }
    throw new CompressionError(
      'BAD_FILE',
      `The scales of layer ${i} are no ${keyHeads * size} numbers for keys and for values.`,
      'Save the session again; this file is damaged or of another network.',
      { layer: i },
    )
  })
}

/** A graph multiplies keys and values itself, in full or as codes of its own. */
const checkGraphPlan = (plan: CachePlan): void => {
  const step = plan.find(({ kind }) => kind !== 'policy')
  if (!step) return
  throw new CompressionError(
    'UNSUPPORTED',
    `${step.name} changes entries, and a graph attends to them by itself.`,
    'Keep its cache small by policies, and in few bits by cacheBits, or open the folder that the graph was made of.',
    { step: step.name },
  )
}

const readsQueries = (plan: CachePlan): boolean => plan.some(({ needs }) => Object.keys(needs).length > 0)

/** What runs the sessions over a graph, which is loaded with its weights once; those of the caller stay the caller's. */
export const graphSessionSource = async (model: TextGraph, options: SessionOptions): Promise<SessionSource> => {
  const { cache = [], weights, product, cacheBits, signal } = options
  const decoding = decodingOf(model)
  checkGraphPlan(cache)
  const loaded = weights ? undefined : await loadModel(model, signal)
  try {
    const env = loaded ?? { weights: weights!, ...(product ? { product } : {}) }
    const runner = await decoding.open(env, { planned: cache.length > 0, observed: readsQueries(cache), bits: cacheBits })
    return {
      ...{ model: graphDecodable(model), dispose: () => runner.dispose(), ...(cacheBits ? { bits: cacheBits } : {}) },
      stepsOver: (caches, _count, kept = {}) => graphCachedSteps(runner.memory(readScales(kept, decoding.attention)), caches),
    }
  } finally {
    loaded?.dispose()
  }
}
