import {
  decode,
  knownFrequencies,
  loadModel,
  openCaches,
  positionsOf,
  type AttentionFacts,
  type HeldCache,
  type LoadedWeights,
  type Made,
  type Model,
  type Stage,
} from '@tersor/core'
import { symmetricEigen } from '@tersor/kernels/symmetric-eigen'
import { CompressionError, fromFloat32, type Dense } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { digestOf } from './bytes/digest.js'
import { unturned } from './low-rank-cache.js'

/** Directions of the keys and of the values of all heads of each layer, (features, heads · size), orthonormal rows. */
export interface ChannelBases extends Made {
  readonly kind: 'bases'
  /** Of the layers with attention, in order. */
  readonly layers: readonly { readonly keys: Dense; readonly values: Dense }[]
}

export const isBases = (value: object): value is ChannelBases => (value as Partial<ChannelBases>).kind === 'bases' && 'layers' in value

export interface ChannelOptions {
  /** Features of keys and of values as a share of their channels. */
  readonly keys: number
  readonly values: number
  readonly signal?: AbortSignal
}

/** Told apart in plans and in saved sessions by this. */
const digestOfLayers = (layers: ChannelBases['layers']): string =>
  layers
    .flatMap(({ keys, values }) => [keys, values])
    .reduce<number | undefined>((before, { bytes }) => digestOf(bytes, before), undefined)!
    .toString(16)

/** The leading eigenvectors of a symmetric matrix (n, n), as rows of halves. */
const leading = async (gram: tf.Tensor, count: number): Promise<Dense> => {
  const size = gram.shape[0]
  const { vectors } = await symmetricEigen(await gram.data<'float32'>(), size)
  return fromFloat32(vectors.subarray((size - count) * size), 'f16', [count, size])
}

const basesOf = async (grams: readonly (readonly [keys: tf.Tensor, values: tf.Tensor])[], { keys, values, signal }: ChannelOptions) => {
  const layers: { keys: Dense; values: Dense }[] = []
  for (const [ofKeys, ofValues] of grams) {
    signal?.throwIfAborted()
    const count = (share: number, { shape }: tf.Tensor): number => Math.max(1, Math.round(share * shape[0]))
    layers.push({ keys: await leading(ofKeys, count(keys, ofKeys)), values: await leading(ofValues, count(values, ofValues)) })
  }
  const bases: ChannelBases = { name: 'channels', options: { keys, values, digest: digestOfLayers(layers) }, kind: 'bases', layers }
  return Object.freeze(bases)
}

const checkShares = ({ keys, values }: ChannelOptions): void => {
  const wrong = [['keys', keys] as const, ['values', values] as const].find(([, share]) => !(share > 0 && share <= 1))
  if (!wrong) return
  throw new CompressionError('BAD_OPTION', `Channels got ${wrong[0]} = ${wrong[1]}.`, 'Pass the share of channels that stays: above 0, up to 1.', { option: wrong[0] }) // prettier-ignore
}

/** Heads side by side, (batch · entries, heads · size). */
export const besides = (x: tf.Tensor, heads: number): tf.Tensor2D => {
  const [rows, entries, size] = x.shape as [number, number, number]
  const each = tf.transpose(tf.reshape(x, [rows / heads, heads, entries, size]), [0, 2, 1, 3])
  return tf.reshape(each, [(rows / heads) * entries, heads * size]) as tf.Tensor2D
}

/** xᵀ · x of the keys, before they were turned, and of the values that a layer holds. */
const gramsOf = ({ held: [entries], facts }: HeldCache): readonly [tf.Tensor, tf.Tensor] => {
  const frequencies = knownFrequencies(facts, 'fitChannels')
  const keys = frequencies ? unturned(entries.keys as tf.Tensor3D, positionsOf(entries)[0], frequencies) : entries.keys
  const gram = (x: tf.Tensor): tf.Tensor => {
    const rows = besides(x, facts.keyHeads)
    return tf.matMul(rows, rows, true, false)
  }
  return [gram(keys), gram(entries.values)]
}

const addGrams = (model: Model, loaded: LoadedWeights, ids: tf.Tensor, sums: (readonly [tf.Tensor, tf.Tensor])[]): void => {
  const caches = openCaches(model)
  try {
    tf.tidy(() => void caches.forward(ids, loaded, { last: true }))
    caches.layers
      .filter(layer => layer !== undefined)
      .forEach((layer, i) => {
        const before = sums[i] as (typeof sums)[number] | undefined
        const [keys, values] = tf.tidy(() => gramsOf(layer).map((gram, at) => tf.keep(before ? tf.add(before[at], gram) : gram)))
        if (before) tf.dispose([...before])
        sums[i] = [keys, values]
      })
  } finally {
    caches.dispose()
  }
}

/**
 * Fits layer by layer the directions in which keys, before they are turned by their positions, and values of all heads differ most.
 * B = the leading eigenvectors of Σ xᵀ · x over the calibration texts, which makes Σ |x − x · Bᵀ · B|² least: what training two factors of each
 * projection on that error comes to. Batches are ids (batch, tokens). Throws BAD_OPTION, NO_CALIBRATION, UNSUPPORTED for a rotation that follows the text.
 */
export const fitChannels = async (
  model: Model,
  options: ChannelOptions & { readonly calibration: Iterable<tf.Tensor> | AsyncIterable<tf.Tensor> },
): Promise<ChannelBases> => {
  checkShares(options)
  const loaded = await loadModel(model, options.signal)
  const sums: (readonly [tf.Tensor, tf.Tensor])[] = []
  try {
    for await (const ids of options.calibration) {
      options.signal?.throwIfAborted()
      addGrams(model, loaded, ids, sums)
    }
    if (sums.length === 0) throw new CompressionError('NO_CALIBRATION', 'There are no texts to fit channels to.', 'Pass batches of ids, (batch, tokens).') // prettier-ignore
    return await basesOf(sums, options)
  } finally {
    tf.dispose(sums.flat())
    loaded.dispose()
  }
}

const projectionOf = async ({ params }: Model, { name, sites, attention }: Stage, ends: string): Promise<tf.Tensor> => {
  const site = sites.find(each => each.name.endsWith(ends))
  const { keyHeads, size } = attention as AttentionFacts
  const weight = site && decode(await params.read(site.weight))
  if (weight?.shape[0] === keyHeads * size) {
    const gram = tf.tidy(() => tf.matMul(weight as tf.Tensor2D, weight as tf.Tensor2D, false, true))
    weight.dispose()
    return gram
  }
  weight?.dispose()
  throw new CompressionError(
    'UNSUPPORTED',
    `The stage ${name} has no projection ${ends} of its own.`,
    'Fit channels to texts instead, with fitChannels.',
    { stage: name },
  )
}

/** Directions of the projections themselves, whatever the texts: the leading left singular vectors of k_proj and v_proj. Throws BAD_OPTION, UNSUPPORTED. */
export const projectionChannels = async (model: Model, options: ChannelOptions): Promise<ChannelBases> => {
  checkShares(options)
  const grams: (readonly [tf.Tensor, tf.Tensor])[] = []
  try {
    for (const stage of model.stages) {
      if (!stage.attention) continue
      const keys = await projectionOf(model, stage, '.k_proj')
      grams.push([keys, keys]) // so that it is freed where the other fails
      grams[grams.length - 1] = [keys, await projectionOf(model, stage, '.v_proj')]
    }
    return await basesOf(grams, options)
  } finally {
    tf.dispose(grams.flat())
  }
}
