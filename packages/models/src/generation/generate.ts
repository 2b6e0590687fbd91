import { createRng, isCompact, loadModel, type CachePlan, type Rng } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { detokenizer } from './detokenize.js'
import { isTextGraph, type Generator, type TextGraph } from './generator.js'
import { graphSteps } from '../imported/graph-steps.js'
import type { LanguageModel } from '../networks/language-model.js'
import { checkTemperature, greedy, sample } from './sampling.js'
import { envOf } from './session-source.js'
import { openSession, strangerAmong, type Session, type SessionOptions } from './session.js'

export type { Generator, TextGraph }

export interface GenerateOptions extends SessionOptions {
  /** A text or ids to continue. */
  readonly prompt: string | readonly number[]
  /** How many at most; up to the end of the context where absent. */
  readonly tokens?: number
  /** 0 (the default) takes the likeliest token each time. */
  readonly temperature?: number
  readonly rng?: Rng
  /** A session that the prompt continues, with its weights, plan and engine; what is generated becomes part of it. */
  readonly session?: Session
}

/** A token, and the text that it completes: empty while a character is unfinished, and without a tokenizer. */
export interface Generated {
  readonly id: number
  readonly text: string
}

const noTokenizer = (): CompressionError =>
  new CompressionError('BAD_DATA', 'The model has no tokenizer.', 'Put its tokenizer.json beside it, or pass the ids of the prompt.')

type TextFacts = Pick<LanguageModel, 'config' | 'contextLength' | 'tokenizer' | 'vocabularySize'>

/** The ids of a prompt; an empty text is the token that begins one. */
const idsOf = (prompt: string | readonly number[], { tokenizer }: TextFacts): readonly number[] => {
  if (typeof prompt !== 'string') return prompt
  if (!tokenizer) throw noTokenizer()
  const ids = tokenizer.encode(prompt)
  return ids.length === 0 && tokenizer.bos !== undefined ? [tokenizer.bos] : ids
}

const checkPrompt = (prompt: readonly number[], { vocabularySize }: TextFacts): void => {
  const stranger = strangerAmong(prompt, vocabularySize)
  if (prompt.length === 0) throw new CompressionError('BAD_DATA', 'The prompt has no tokens.', 'Pass at least one token to continue.')
  if (stranger !== undefined) {
    throw new CompressionError(
      'BAD_DATA',
      `The prompt holds ${stranger}, but the model knows tokens 0 to ${vocabularySize - 1}.`,
      "Encode the prompt with the model's own tokenizer.",
      { token: stranger, vocabularySize },
    )
  }
}

/** A prompt and what the session read before it must leave room for a token. */
const checkRoom = (tokens: number, before: number, { contextLength }: TextFacts): void => {
  const most = contextLength - before - 1
  if (tokens <= most) return
  throw new CompressionError(
    'BAD_DATA',
    `The prompt has ${tokens} tokens${before > 0 ? ` behind ${before}` : ''}, which leaves no room in a context of ${contextLength}.`,
    most > 0 ? `Shorten it to ${most} tokens or fewer.` : 'Rewind the session, or open one whose plan makes positions compact.',
    { tokens, before, contextLength },
  )
}

const checkCount = (tokens: number): void => {
  if (Number.isInteger(tokens) && tokens >= 0) return
  throw new CompressionError('BAD_OPTION', `tokens is ${tokens}; expected a whole number from 0 on.`, 'Pass how many tokens to generate.', {
    tokens,
  })
}

export const checkLogit = (logit: number): void => {
  if (Number.isFinite(logit)) return
  throw new CompressionError(
    'NOT_FINITE',
    'The model predicts NaN or infinity.',
    'Look for NaN or infinite weights, or compress it more gently.',
  )
}

const checkActivations = (model: Generator, { activations }: GenerateOptions): void => {
  if (!isTextGraph(model) || activations !== 'int8') return
  throw new CompressionError(
    'BAD_OPTION',
    'activations is "int8", and an imported graph multiplies decoded weights.',
    'Leave it out, or generate from the folder that the graph was made of.',
  )
}

/** Steps of a graph that remembers nothing: it runs over the whole text for each token. */
const wholeTextSteps = async (model: TextGraph, { weights, product, signal }: GenerateOptions) => {
  const loaded = weights ? undefined : await loadModel(model, signal)
  const steps = graphSteps(model, envOf(loaded ?? { weights: weights!, product }))
  const end = (): void => {
    steps.dispose()
    loaded?.dispose()
  }
  return { next: (ids: readonly number[]) => steps.next(ids), end }
}

/** Logits after more tokens, of a session or of a graph that needs none; `end` closes what was opened here. */
const stepsOf = async (model: Generator, options: GenerateOptions, count: number) => {
  const { session, cache = [], cacheBits } = options
  const isSimple = !session && cache.length === 0 && cacheBits === undefined
  if (isTextGraph(model) && !model.decoding && isSimple) return wholeTextSteps(model, options)
  const own = session ?? (await openSession(model, { ...options, count, repeats: cache.length > 0 }))
  const next = (ids: readonly number[]) => own.append(ids, { signal: options.signal })
  return { next, end: () => (session ? undefined : own.dispose()) }
}

/** The ids of a prompt that leaves room for a token; throws BAD_DATA, and BAD_OPTION for a number of tokens that is none. */
export const promptIds = (
  prompt: string | readonly number[],
  model: TextFacts,
  { tokens, plan }: { readonly tokens: number; readonly plan: CachePlan },
): readonly number[] => {
  const ids = idsOf(prompt, model)
  checkPrompt(ids, model)
  if (!isCompact(plan)) checkRoom(ids.length, 0, model)
  checkCount(tokens)
  return ids
}

/** Tokens that end a text: those of the config, else the tokenizer's. */
export const endsOf = ({ config, tokenizer }: Pick<LanguageModel, 'config' | 'tokenizer'>): ReadonlySet<number> =>
  new Set(config.eos.length > 0 ? config.eos : tokenizer?.eos === undefined ? [] : [tokenizer.eos])

/**
 * Continues a prompt token by token with a cache of keys and values, of a network or of a decoder's graph, until a token that ends a text, `tokens` or the end of the context.
 * The texts joined are the continuation, without the prompt and without a last character that stayed unfinished.
 * Throws BAD_OPTION for tokens or temperature out of range and BAD_DATA for a prompt that is empty, too long, of another vocabulary,
 * or a text where the model has no tokenizer; BAD_OPTION for int8 activations of a graph; NOT_FINITE where the logits are no numbers;
 * UNSUPPORTED for a plan that the model cannot have.
 */
export async function* generate(model: Generator, options: GenerateOptions): AsyncGenerator<Generated, void, undefined> {
  const text: TextFacts = isTextGraph(model) ? model.text : model
  const { temperature = 0, rng = createRng(0), signal, tokens = text.contextLength, session } = options
  const prompt = idsOf(options.prompt, text)
  const plan = session?.caches.plan ?? options.cache ?? []
  const isEndless = isCompact(plan)
  const before = session?.ids.length ?? 0
  checkPrompt(prompt, text)
  if (!isEndless) checkRoom(prompt.length, before, text)
  checkTemperature(temperature)
  checkCount(tokens)
  checkActivations(model, options)
  const ends = endsOf(text)
  const complete = text.tokenizer ? detokenizer(text.tokenizer, prompt) : () => ''
  const count = isEndless ? tokens : Math.min(tokens, text.contextLength - before - prompt.length)
  const { next: logitsAfter, end } = await stepsOf(model, options, count)
  let pending: readonly number[] = prompt
  try {
    for (let made = 0; made < count; made++) {
      signal?.throwIfAborted()
      const logits = await logitsAfter(pending)
      pending = []
      const next = temperature === 0 ? greedy(logits) : sample(logits, temperature, rng)
      checkLogit(logits[next])
      if (ends.has(next)) return
      pending = [next]
      yield { id: next, text: complete(next) }
    }
  } finally {
    if (session && pending !== prompt && pending.length > 0) await session.append(pending) // the last token was shown: the text has it
    end()
  }
}
