import * as tf from '@tensorflow/tfjs-core'
import { createRng, joinCaches, leaveBatch, type Caches, type Env } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { detokenizer } from './detokenize.js'
import { checkLogit, endsOf, promptIds, type Generated, type GenerateOptions } from './generate.js'
import { checkTemperature, greedy, sample } from './sampling.js'
import { openSession, type Session } from './session.js'
import { loadedWeights } from './session-source.js'
import type { LanguageModel } from '../networks/language-model.js'

export interface GenerateAllOptions extends Omit<GenerateOptions, 'prompt' | 'session' | 'rng' | 'cacheBits'> {
  /** Texts or ids to continue, of any lengths. */
  readonly prompts: readonly (string | readonly number[])[]
}

/** A token of one of the texts. */
export interface GeneratedOf extends Generated {
  /** Which, among the prompts. */
  readonly prompt: number
}

/** A text that is not done. */
interface Going {
  readonly prompt: number
  readonly complete: (id: number) => string
  readonly draw: (logits: Float32Array) => number
  left: number
  pending: number
}

/** The logits of one more token of each text, row by row. */
const stepAll = async (caches: Caches, env: Env, ids: readonly number[], vocabulary: number): Promise<Float32Array[]> => {
  const logits = tf.tidy(() => caches.forward(tf.tensor2d(Int32Array.from(ids), [ids.length, 1], 'int32'), env, { last: true }))
  try {
    const all = await logits.data<'float32'>()
    return ids.map((_, row) => all.slice(row * vocabulary, (row + 1) * vocabulary))
  } finally {
    logits.dispose()
  }
}

/** Reads each prompt by itself, since their lengths differ, and gives the logits after it; sessions are opened by the way, for the caller to dispose. */
const readPrompts = async (
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateAllOptions & { readonly weights: NonNullable<GenerateOptions['weights']> },
  sessions: Session[],
): Promise<Float32Array[]> => {
  const logits: Float32Array[] = []
  for (const prompt of prompts) {
    const session = await openSession(model, { ...options, count: 0 })
    sessions.push(session)
    logits.push(await session.append(prompt, { signal: options.signal }))
  }
  return logits
}

const noPrompts = (): CompressionError => new CompressionError('BAD_DATA', 'There are no prompts.', 'Pass one at least.')

/**
 * Continues several prompts of any lengths at once: each is read by itself, and then all take a step together, on caches whose rows hold different numbers of
 * entries; a text that ends leaves, and its entries are freed. Each text is the one that `generate` gives for its prompt; with a temperature, prompt i draws by
 * seed, fork i. Tokens come in the order of steps, and of prompts within one.
 * Throws as `generate`, and UNSUPPORTED for models whose positions are learned or turned by the length of the text.
 */
export async function* generateAll(model: LanguageModel, options: GenerateAllOptions): AsyncGenerator<GeneratedOf, void, undefined> {
  const { temperature = 0, seed = 0, signal, tokens = model.contextLength } = options
  if (options.prompts.length === 0) throw noPrompts()
  checkTemperature(temperature)
  const prompts = options.prompts.map(prompt => promptIds(prompt, model, { tokens, plan: options.cache ?? [] }))
  const ends = endsOf(model)
  const { env, dispose } = await loadedWeights(model, options)
  const sessions: Session[] = []
  let caches: Caches | undefined
  try {
    let logits = await readPrompts(
      model,
      prompts,
      { ...options, weights: env.weights, ...(env.product ? { product: env.product } : {}) },
      sessions,
    )
    caches = joinCaches(model, sessions.map(session => session.caches)) // prettier-ignore
    sessions.splice(0).forEach(session => session.dispose())
    const going = prompts.map((prompt, i): Going => {
      const rng = createRng(seed).fork(String(i))
      return {
        ...{ prompt: i, pending: -1, left: Math.min(tokens, model.contextLength - prompt.length) },
        complete: model.tokenizer ? detokenizer(model.tokenizer, prompt) : () => '',
        draw: each => (temperature === 0 ? greedy(each) : sample(each, temperature, rng)),
      }
    })
    for (;;) {
      for (let row = 0; row < going.length;) {
        const text = going[row]
        const id = text.left === 0 ? undefined : text.draw(logits[row])
        if (id !== undefined) checkLogit(logits[row][id])
        if (id !== undefined && !ends.has(id)) {
          yield { prompt: text.prompt, id, text: text.complete(id) }
          text.pending = id
          text.left--
        }
        if (id !== undefined && !ends.has(id) && text.left > 0) row++
        else {
          leaveBatch(caches, row)
          going.splice(row, 1)
          logits.splice(row, 1)
        }
      }
      if (going.length === 0) return
      signal?.throwIfAborted()
      caches.watch('token')
      logits = await stepAll(caches, env, going.map(({ pending }) => pending), model.vocabularySize) // prettier-ignore
      if (caches.isDue('token')) await caches.settle('token', signal)
    }
  } finally {
    sessions.forEach(session => session.dispose())
    caches?.dispose()
    dispose()
  }
}
