import { CORE_CODECS, createRng } from '@tersor/core'
import { generate as stream, type Generator } from '@tersor/models/generate'
import type { OpenedModel } from '@tersor/models/open-model'
import { loadSession, openSession, saveSession, type LanguageModel, type Session, type SessionOptions } from '@tersor/models'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { CompressionError } from '@tersor/tensor'
import { makePlan } from '../methods.js'
import { writeResult, type Terminal } from '../output.js'
import { withModel } from '../with-model.js'

export interface GenerateFlags {
  readonly prompt: string
  readonly tokens: number
  readonly temperature: number
  readonly seed: number
  /** What products with packed weights make of activations. */
  readonly activations: 'float32' | 'int8'
  /** Policies of the cache as calls, in order. */
  readonly cache: readonly string[]
  /** A file that the text is written to with its cache, and one that it goes on from. */
  readonly saveSession?: string
  readonly loadSession?: string
}

/** What text is generated from; throws UNSUPPORTED for another model. */
const generatorOf = (model: OpenedModel, path: string): Generator => {
  if (model.family === 'language' && model.tokenizer) return model
  if (model.family === 'graph' && model.text) return { ...model, text: model.text }
  throw new CompressionError(
    'UNSUPPORTED',
    `${path} is no language model with a tokenizer.`,
    'Pass a language model whose folder has tokenizer.json.',
    { path },
  )
}

/** A session from a file, or a new one. */
const sessionFor = async (model: LanguageModel, from: string | undefined, options: SessionOptions): Promise<Session> => {
  if (from === undefined) return openSession(model, options)
  const store = await openSafetensors(from, { codecs: CORE_CODECS })
  try {
    return await loadSession(model, store, options)
  } finally {
    await store.close?.()
  }
}

/** Does what takes a plan, or a session where one is loaded or to be saved, which is written behind it. */
const withSession = async (
  generator: Generator,
  { cache: calls, activations, seed, saveSession: to, loadSession: from }: GenerateFlags,
  signal: AbortSignal,
  work: (how: SessionOptions & { readonly session?: Session }) => Promise<void>,
): Promise<void> => {
  const options: SessionOptions = { cache: await makePlan(calls, process.cwd()), activations, seed, signal }
  if (to === undefined && from === undefined) return work(options)
  if (generator.family === 'graph')
    throw new CompressionError(
      'UNSUPPORTED',
      'An imported graph keeps its cache itself, so it cannot be saved.',
      'Generate from the folder that the graph was made of.',
    )
  const session = await sessionFor(generator, from, options)
  try {
    await work({ session })
    if (to !== undefined) await saveSession(session, safetensorsSink(to, { overwrite: true }))
  } finally {
    session.dispose()
  }
}

/** `tersor generate MODEL --prompt TEXT`: continues a text, token by token as they come. */
export const generate = (terminal: Terminal, path: string, flags: GenerateFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async model => {
    const { prompt, tokens, temperature, seed } = flags
    const generator = generatorOf(model, path)
    let text = ''
    const started = Date.now()
    let count = 0
    await withSession(generator, flags, signal, async how => {
      const pieces = stream(generator, { prompt, tokens, temperature, rng: createRng(seed).fork('generate'), ...how, signal })
      for await (const piece of pieces) {
        text += piece.text
        count++
        if (!terminal.json) terminal.out.write(piece.text)
      }
    })
    const seconds = (Date.now() - started) / 1000
    if (terminal.json) writeResult(terminal, { prompt, text, tokens: count, tokensPerSecond: count / seconds }, '')
    else terminal.out.write('\n')
  })
