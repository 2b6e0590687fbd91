import * as tf from '@tensorflow/tfjs-core'
import { activationsOf, followStages, type Model, type Site, type StageView, type Tap } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { toGgufPlace, type GgufPlace } from '@tersor/formats/internal/gguf/names'
import type { Imatrix, ImatrixEntry } from '@tersor/formats/internal/gguf/imatrix/imatrix'

export interface CollectOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
  /** Names of the texts, kept in the file. */
  readonly datasets?: readonly string[]
}

/** Σ x² over the rows of an input, (in), and how many rows are not all zeros, which are those that an expert did not get. */
const squares = async (x: tf.Tensor): Promise<{ readonly sums: Float32Array; readonly rows: number }> => {
  const [sums, rows] = tf.tidy((): [tf.Tensor, tf.Tensor] => {
    const squared = tf.square(tf.reshape(x, [-1, x.shape.at(-1)!]))
    return [tf.sum(squared, 0), tf.sum(tf.cast(tf.greater(tf.max(squared, 1), 0), 'float32'))]
  })
  const values = await sums.data<'float32'>()
  const [count] = await rows.data()
  tf.dispose([sums, rows])
  return { sums: values, rows: count }
}

/** What was seen of each tensor so far, expert by expert; 0 where it is no stack. */
type Seen = Map<string, Map<number, { sums: Float32Array; calls: number }>>

const add = (seen: Seen, { name, expert = 0 }: GgufPlace, sums: Float32Array, rows: number): void => {
  const experts = seen.get(name) ?? new Map<number, { sums: Float32Array; calls: number }>()
  seen.set(name, experts)
  const before = experts.get(expert)
  experts.set(expert, { sums: before ? sums.map((value, i) => value + before.sums[i]) : sums, calls: (before?.calls ?? 0) + rows })
}

/** One entry a tensor: the sums of its experts one behind the other, with a count for each. */
const entriesOf = (seen: Seen): ReadonlyMap<string, ImatrixEntry> =>
  new Map(
    [...seen].map(([name, experts]) => {
      const parts = [...experts].sort(([a], [b]) => a - b).map(([, part]) => part)
      const columns = parts[0].sums.length
      const sums = new Float32Array(parts.length * columns)
      parts.forEach((part, at) => sums.set(part.sums, at * columns))
      return [name, { sums, calls: parts.map(({ calls }) => calls) }] as const
    }),
  )

const isWeighed = ({ kind, head }: Site): boolean => kind === 'linear' && !head

/** Adds the squares of what the sites of a stage see, batch by batch. */
const collectStage = async ({ gather, pass }: StageView, isLast: boolean, seen: Seen): Promise<void> => {
  const waiting: { readonly site: Site; readonly input: tf.Tensor }[] = []
  const tap: Tap = (site, input) => void (isWeighed(site) && waiting.push({ site, input: tf.keep(tf.clone(input)) }))
  const read = async (): Promise<void> => {
    for (const { site, input } of waiting) {
      const { sums, rows } = await squares(input)
      const place = toGgufPlace(site.weight)
      add(seen, place, sums, place.expert === undefined ? input.size / sums.length : rows)
    }
    waiting.splice(0).forEach(({ input }) => input.dispose())
  }
  try {
    await (isLast ? gather(tap, read) : pass(tap, read))
  } finally {
    waiting.forEach(({ input }) => input.dispose())
  }
}

/**
 * Computes an importance matrix as llama-imatrix does: Σ x² of each input column of each linear layer, and over how many tokens; for
 * experts, those that reached each.
 * batches: (texts, tokens) each, owned by the caller. Stage by stage: memory is one stage plus the activations.
 * Differs from llama.cpp: the head is left out, as its files have it by default. Throws NO_CALIBRATION without batches.
 */
export const collectImatrix = async (model: Model, batches: readonly tf.Tensor[], options: CollectOptions = {}): Promise<Imatrix> => {
  if (batches.length === 0)
    throw new CompressionError(
      'NO_CALIBRATION',
      'An importance matrix is made from inputs, and none were given.',
      'Pass batches of token ids.',
    )
  const { signal, onProgress, datasets = [] } = options
  const seen: Seen = new Map()
  const last = model.stages.findLastIndex(({ sites }) => sites.some(isWeighed))
  const inputs = activationsOf(batches, Infinity)
  try {
    await followStages(model, inputs, { signal, until: last }, async view => {
      if (view.index <= last) await collectStage(view, view.index === last, seen)
      onProgress?.(view.index + 1, model.stages.length)
    })
  } finally {
    await inputs.dispose()
  }
  const chunks = batches.reduce((sum, batch) => sum + batch.shape[0], 0)
  return { entries: entriesOf(seen), chunks, chunkSize: batches[0].shape[1]!, datasets }
}
