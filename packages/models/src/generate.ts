import * as tf from '@tensorflow/tfjs-core'
import {
  createRng,
  loadModel,
  loadPacked,
  type Env,
  type LoadedWeights,
  type LoadPackedOptions,
  type Products,
  type Rng,
  type Weights,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { decoder, type Decoder } from './decoder.js'
import { detokenizer } from './detokenize.js'
import { kvCaches, type KvCache } from './kv-cache.js'
import type { LanguageModel } from './language-model.js'
import { checkTemperature, greedy, sample } from './sampling.js'

/** Recording a step costs as much as some tokens. */
const WORTH_RECORDING = 8

export interface GenerateOptions {
  /** A text or ids to continue. */
  readonly prompt: string | readonly number[]
  /** How many at most; up to the end of the context where absent. */
  readonly tokens?: number
  /** 0 (the default) takes the likeliest token each time. */
  readonly temperature?: number
  readonly rng?: Rng
  readonly signal?: AbortSignal
  /** Weights that the caller has loaded already and keeps: what `loadModel` or `loadPacked` gave. */
  readonly weights?: Weights
  readonly products?: Products
  /**
   * How weights that `generate` loads itself take part: 'packed' (the default) leaves quantized matrices packed where the engine multiplies
   * them so, 'dense' decodes everything first.
   */
  readonly form?: 'packed' | 'dense'
  /** What products with packed weights make of activations: 'float32' (the default), or 'int8', which is faster and rounds them. */
  readonly activations?: LoadPackedOptions['activations']
}

/** A token, and the text that it completes: empty while a character is unfinished, and without a tokenizer. */
export interface Generated {
  readonly id: number
  readonly text: string
}

const noTokenizer = (): CompressionError =>
  new CompressionError('BAD_DATA', 'The model has no tokenizer.', 'Put its tokenizer.json beside it, or pass the ids of the prompt.')

/** The ids of a prompt; an empty text is the token that begins one. */
const idsOf = (prompt: string | readonly number[], { tokenizer }: LanguageModel): readonly number[] => {
  if (typeof prompt !== 'string') return prompt
  if (!tokenizer) throw noTokenizer()
  const ids = tokenizer.encode(prompt)
  return ids.length === 0 && tokenizer.bos !== undefined ? [tokenizer.bos] : ids
}

const checkPrompt = (prompt: readonly number[], { contextLength, vocabularySize }: LanguageModel): void => {
  const stranger = prompt.find(id => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
  if (prompt.length === 0) throw new CompressionError('BAD_DATA', 'The prompt has no tokens.', 'Pass at least one token to continue.')
  if (stranger !== undefined) {
    throw new CompressionError(
      'BAD_DATA',
      `The prompt holds ${stranger}, but the model knows tokens 0 to ${vocabularySize - 1}.`,
      "Encode the prompt with the model's own tokenizer.",
      { token: stranger, vocabularySize },
    )
  }
  if (prompt.length < contextLength) return
  throw new CompressionError(
    'BAD_DATA',
    `The prompt has ${prompt.length} tokens, which leaves no room in a context of ${contextLength}.`,
    `Shorten it to ${contextLength - 1} tokens or fewer.`,
    { tokens: prompt.length, contextLength },
  )
}

const checkCount = (tokens: number): void => {
  if (Number.isInteger(tokens) && tokens >= 0) return
  throw new CompressionError('BAD_OPTION', `tokens is ${tokens}; expected a whole number from 0 on.`, 'Pass how many tokens to generate.', {
    tokens,
  })
}

const checkLogit = (logit: number): void => {
  if (Number.isFinite(logit)) return
  throw new CompressionError(
    'NOT_FINITE',
    'The model predicts NaN or infinity.',
    'Look for NaN or infinite weights, or compress it more gently.',
  )
}

/** Logits after the last of the new ids. The head sees that position only. */
const step = async (model: LanguageModel, ids: readonly number[], env: Env, caches: readonly KvCache[]): Promise<Float32Array> => {
  const logits = tf.tidy(() => {
    const input: tf.Tensor = tf.tensor2d(Int32Array.from(ids), [1, ids.length], 'int32')
    const past = Math.max(...caches.map(cache => cache.length))
    return model.stages.reduce((x, stage, i) => {
      const seen = i === model.stages.length - 1 && ids.length > 1 ? tf.slice(x, [0, ids.length - 1, 0], [1, 1, x.shape[2]!]) : x
      return stage.run(seen, { ...env, past, cache: caches[i] })
    }, input)
  })
  try {
    return await logits.data<'float32'>()
  } finally {
    logits.dispose()
  }
}

const load = (model: LanguageModel, { form = 'packed', activations, signal }: GenerateOptions): Promise<LoadedWeights> =>
  form === 'dense' ? loadModel(model, signal) : loadPacked(model, { ...(signal && { signal }), ...(activations && { activations }) })

/** Tokens that end a text: those of the config, else the tokenizer's. */
export const endsOf = ({ config, tokenizer }: LanguageModel): ReadonlySet<number> =>
  new Set(config.eos.length > 0 ? config.eos : tokenizer?.eos === undefined ? [] : [tokenizer.eos])

/**
 * Continues a prompt token by token with a cache of keys and values, until a token that ends a text, `tokens` or the end of the context.
 * The texts joined are the continuation, without the prompt and without a last character that stayed unfinished.
 * Throws BAD_OPTION for tokens or temperature out of range and BAD_DATA for a prompt that is empty, too long, of another vocabulary,
 * or a text where the model has no tokenizer; NOT_FINITE where the logits are no numbers.
 */
export async function* generate(model: LanguageModel, options: GenerateOptions): AsyncGenerator<Generated, void, undefined> {
  const { temperature = 0, rng = createRng(0), signal, tokens = model.contextLength } = options
  const prompt = idsOf(options.prompt, model)
  checkPrompt(prompt, model)
  checkTemperature(temperature)
  checkCount(tokens)
  const ends = endsOf(model)
  const complete = model.tokenizer ? detokenizer(model.tokenizer, prompt) : () => ''
  const count = Math.min(tokens, model.contextLength - prompt.length)
  const loaded = options.weights ? undefined : await load(model, options)
  const { weights, products } = loaded ?? (options as { weights: Weights; products?: Products })
  const env: Env = products ? { weights, products } : { weights }
  const caches = kvCaches(model)
  let replayed: Decoder | undefined
  try {
    let ids: readonly number[] = prompt
    for (let made = 0; made < count; made++) {
      signal?.throwIfAborted()
      if (made === 1 && count >= WORTH_RECORDING) replayed = await decoder(model, env, caches, prompt.length + count)
      const logits = await (replayed?.step(ids[0]) ?? step(model, ids, env, caches))
      const next = temperature === 0 ? greedy(logits) : sample(logits, temperature, rng)
      checkLogit(logits[next])
      if (ends.has(next)) return
      yield { id: next, text: complete(next) }
      ids = [next]
    }
  } finally {
    replayed?.dispose()
    caches.forEach(cache => cache.dispose())
    loaded?.dispose()
  }
}
