import { CORE_CODECS, createRng } from '@tersor/core'
import { generate as stream, type Generator } from '@tersor/models/generate'
import type { OpenedModel } from '@tersor/models/open-model'
import type { SaveOptions, Session, SessionOptions } from '@tersor/models'
import { CompressionError } from '@tersor/tensor'
import { planFor, storageFor } from '../plan-for.js'
import { writeResult, type Terminal } from '../output.js'
import { withModel, type CutFlags } from '../with-model.js'

export interface GenerateFlags extends CutFlags {
  readonly prompt: string
  readonly tokens: number
  readonly temperature: number
  readonly seed: number
  /** What products with packed weights make of activations. */
  readonly activations: 'float32' | 'int8'
  /** Policies of the cache as calls, in order. */
  readonly cache: readonly string[]
  /** Of keys and values, as it was written. */
  readonly cacheBits?: '8' | '4'
  /** A file that the text is written to with its cache, and one that it goes on from. */
  readonly saveSession?: string
  readonly loadSession?: string
  /** How keys and values are written to the one, and read from the other, as a call. */
  readonly sessionStorage?: string
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
const sessionFor = async (model: Generator, from: string | undefined, options: SessionOptions & SaveOptions): Promise<Session> => {
  const { loadSession, openSession } = await import('@tersor/models')
  if (from === undefined) return openSession(model, options)
  const { openSafetensors } = await import('@tersor/formats/safetensors')
  const store = await openSafetensors(from, { codecs: CORE_CODECS })
  try {
    return await loadSession(model, store, options)
  } finally {
    await store.close?.()
  }
}

/** Writes a session to a file, in the place of what stands there. */
const saveTo = async (session: Session, to: string, how: SaveOptions): Promise<void> => {
  const [{ saveSession }, { safetensorsSink }] = await Promise.all([import('@tersor/models'), import('@tersor/formats/safetensors')])
  await saveSession(session, safetensorsSink(to, { overwrite: true }), how)
}

/** Does what takes a plan, or a session where one is loaded or to be saved, which is written behind it. */
const withSession = async (
  generator: Generator,
  { cache: calls, cacheBits: bits, activations, seed, saveSession: to, loadSession: from, sessionStorage: call }: GenerateFlags,
  signal: AbortSignal,
  work: (how: SessionOptions & { readonly session?: Session }) => Promise<void>,
): Promise<void> => {
  const coded = bits === undefined ? {} : { cacheBits: Number(bits) as 8 | 4 }
  const options: SessionOptions = { cache: await planFor(calls), ...coded, activations, seed, signal }
  if (to === undefined && from === undefined) return work(options)
  const stored: SaveOptions = call === undefined ? {} : { storage: await storageFor(call) }
  const session = await sessionFor(generator, from, { ...options, ...stored })
  try {
    await work({ session })
    if (to !== undefined) await saveTo(session, to, stored)
  } finally {
    session.dispose()
  }
}

/** `tersor generate MODEL --prompt TEXT`: continues a text, token by token as they come. */
export const generate = (terminal: Terminal, path: string, flags: GenerateFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, { ...flags, path }, async model => {
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
