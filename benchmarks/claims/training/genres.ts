/** Genres of the Brown corpus, which small encoders learn to tell. */
import * as tf from '@tensorflow/tfjs-core'
import { createRng, crossEntropy, forward, loadModel, train, type Model, type TrainOptions } from '@tersor/core'
import type { BertSizes } from '@tersor/distillation'
import { freshModel, type TextEncoder } from '@tersor/models'
import { readSamples } from '../../../examples/bundled-model/src/corpus.js'
import { adamOnCosine } from './recipe.js'
import { bundled } from './texts.js'

/** Tokens of a window, the one that begins it included. */
const LENGTH = 64
const ROWS = 32
/** The token that begins a text. */
const BEGIN = 0
/** Every tenth sample is held out, so that each genre is in both parts. */
const HELD_OUT = 10
const MEASURED = 2000

interface Window {
  readonly ids: readonly number[]
  readonly genre: number
}

/** Windows to learn from and to be measured on, and what networks need to know of them. */
interface Genres {
  readonly learned: readonly Window[]
  readonly measured: readonly Window[]
  readonly frame: { readonly vocabulary: number; readonly positions: number; readonly classes: number }
}

const readGenres = async (): Promise<Genres> => {
  const { tokenizer, vocabularySize } = (await bundled()).model
  const texts = await readSamples()
  const names = [...new Set(texts.map(([name]) => name[1]))]
  const samples = texts.map(([name, text]) => {
    const ids = tokenizer!.encode(text).filter(id => id !== BEGIN)
    const pieces = Array.from({ length: Math.floor(ids.length / (LENGTH - 1)) }, (_, i) => ids.slice(i * (LENGTH - 1), (i + 1) * (LENGTH - 1))) // prettier-ignore
    return pieces.map((piece): Window => ({ ids: [BEGIN, ...piece], genre: names.indexOf(name[1]) }))
  })
  const held = samples.filter((_, i) => i % HELD_OUT === HELD_OUT - 1).flat()
  return {
    learned: samples.filter((_, i) => i % HELD_OUT !== HELD_OUT - 1).flat(),
    measured: Array.from({ length: MEASURED }, (_, i) => held[Math.floor((i * held.length) / MEASURED)]),
    frame: { vocabulary: vocabularySize, positions: LENGTH, classes: names.length },
  }
}

let read: Promise<Genres> | undefined
const genres = (): Promise<Genres> => (read ??= readGenres())

export const frame = async (): Promise<Genres['frame']> => (await genres()).frame

const inputOf = (windows: readonly Window[]): tf.Tensor2D =>
  tf.tensor2d(Int32Array.from(windows.flatMap(({ ids }) => ids)), [windows.length, LENGTH], 'int32')

/** Batches of windows by chance, with their genres. */
export const genreBatches = async (): Promise<TrainOptions['data']> => {
  const { learned } = await genres()
  return (_step, rng) => {
    const chosen = Array.from({ length: ROWS }, () => learned[rng.integer(learned.length)])
    return { input: inputOf(chosen), target: tf.tensor1d(Int32Array.from(chosen, ({ genre }) => genre), 'int32') } // prettier-ignore
  }
}

/** How many of 2,000 windows are told right. */
export const rightGenres = async (model: Model): Promise<number> => {
  const { measured } = await genres()
  const { weights, dispose } = await loadModel(model)
  let right = 0
  try {
    for (let at = 0; at < MEASURED; at += 50) {
      const windows = measured.slice(at, at + 50)
      const answers = tf.tidy(() => tf.argMax(forward(model, inputOf(windows), { weights }), -1))
      const told = await answers.data()
      answers.dispose()
      right += windows.filter(({ genre }, i) => told[i] === genre).length
    }
    return right
  } finally {
    dispose()
  }
}

/** A BERT of these sizes that is to tell genres, with weights to begin with. */
export const freshEncoder = async ({ heads, hidden, intermediate, layers }: BertSizes, seed: number): Promise<TextEncoder> => {
  const { vocabulary, positions, classes } = await frame()
  const config = {
    ...{ model_type: 'bert', architectures: ['BertForSequenceClassification'], num_labels: classes, vocab_size: vocabulary },
    ...{ max_position_embeddings: positions, type_vocab_size: 1, hidden_size: hidden, intermediate_size: intermediate },
    ...{ num_hidden_layers: layers, num_attention_heads: heads },
  }
  const model = freshModel(config, { seed, dtype: 'f32' })
  if (model.family !== 'encoder') throw new Error('A BERT is an encoder.')
  return model
}

const TEACHER: BertSizes = { heads: 4, hidden: 128, intermediate: 512, layers: 4 }
const TEACHER_STEPS = 300

/** A BERT of four layers that has learned genres by their labels. */
export const genreTeacher = async (): Promise<TextEncoder> =>
  train(await freshEncoder(TEACHER, 1), {
    ...{ objective: crossEntropy, transform: adamOnCosine({ steps: TEACHER_STEPS, norm: 1 }), steps: TEACHER_STEPS },
    ...{ data: await genreBatches(), rng: createRng(1) },
  })
