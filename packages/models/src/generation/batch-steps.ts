import * as tf from '@tensorflow/tfjs-core'
import { joinCaches, leaveBatch, type Caches, type Env } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { isTextGraph, type Generator } from './generator.js'
import type { LanguageModel } from '../networks/language-model.js'
import { openSession, type Session, type SessionOptions } from './session.js'
import { loadedWeights } from './session-source.js'

/** Steps of several texts, one row for each that goes on. */
export interface BatchSteps {
  /** The logits after one more token of each text. */
  next(ids: readonly number[]): Promise<readonly Float32Array[]>
  /** Frees what is kept of a text; those behind it move up. */
  leave(row: number): void
  dispose(): void
}

/** A batch whose prompts were read, and the logits after each. */
export interface ReadBatch {
  readonly steps: BatchSteps
  readonly logits: Float32Array[]
}

/** Each text takes its step by itself. */
const stepsInTurn = (sessions: Session[], { signal }: SessionOptions): BatchSteps => ({
  next: async ids => {
    const logits: Float32Array[] = []
    for (const [row, id] of ids.entries()) logits.push(await sessions[row].append([id], { signal }))
    return logits
  },
  leave: row => sessions.splice(row, 1)[0].dispose(),
  dispose: () => sessions.forEach(session => session.dispose()),
})

/** All texts take a step together, on caches whose rows hold different numbers of entries. */
const stepsTogether = (caches: Caches, env: Env, { vocabularySize }: LanguageModel, { signal }: SessionOptions): BatchSteps => ({
  next: async ids => {
    caches.watch('token')
    const logits = tf.tidy(() => caches.forward(tf.tensor2d(Int32Array.from(ids), [ids.length, 1], 'int32'), env, { last: true }))
    const all = await logits.data<'float32'>().finally(() => logits.dispose())
    if (caches.isDue('token')) await caches.settle('token', signal)
    return ids.map((_, row) => all.slice(row * vocabularySize, (row + 1) * vocabularySize))
  },
  leave: row => leaveBatch(caches, row),
  dispose: () => caches.dispose(),
})

/** The caches of all texts as one, or nothing where entries know positions that texts of different length have not in common. */
const joinedOf = (model: LanguageModel, sessions: readonly Session[]): Caches | undefined => {
  try {
    return joinCaches(model, sessions.map(session => session.caches)) // prettier-ignore
  } catch (error) {
    if (error instanceof CompressionError && error.code === 'UNSUPPORTED') return undefined
    sessions.forEach(session => session.dispose())
    throw error
  }
}

/** Opens a session for each prompt and reads it; on an error none is left open. */
const readEach = async (
  prompts: readonly (readonly number[])[],
  open: () => Promise<Session>,
  { signal }: SessionOptions,
): Promise<{ readonly sessions: Session[]; readonly logits: Float32Array[] }> => {
  const [sessions, logits]: [Session[], Float32Array[]] = [[], []]
  try {
    for (const prompt of prompts) {
      const session = await open()
      sessions.push(session)
      logits.push(await session.append(prompt, { signal }))
    }
    return { sessions, logits }
  } catch (error) {
    sessions.forEach(session => session.dispose())
    throw error
  }
}

const readByNetwork = async (
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: SessionOptions,
): Promise<ReadBatch> => {
  const { env, dispose } = await loadedWeights(model, options)
  const shared = { ...options, weights: env.weights, ...(env.product ? { product: env.product } : {}), count: 0 }
  try {
    const { sessions, logits } = await readEach(prompts, () => openSession(model, shared), options)
    const caches = joinedOf(model, sessions)
    if (caches) sessions.forEach(session => session.dispose())
    const steps = caches ? stepsTogether(caches, env, model, options) : stepsInTurn(sessions, options)
    return { logits, steps: { ...steps, dispose: () => [steps.dispose(), dispose()] } }
  } catch (error) {
    dispose()
    throw error
  }
}

const readByGraph = async (model: Generator, prompts: readonly (readonly number[])[], options: SessionOptions): Promise<ReadBatch> => {
  const opened = await openSession(model, options)
  try {
    const { sessions, logits } = await readEach(prompts, async () => opened.fork(), options)
    return { logits, steps: stepsInTurn(sessions, options) }
  } finally {
    opened.dispose()
  }
}

/** Reads each prompt by itself, since their lengths differ; from then on all texts take their steps together, or in turn where they cannot. */
export const readBatch = (model: Generator, prompts: readonly (readonly number[])[], options: SessionOptions): Promise<ReadBatch> =>
  isTextGraph(model) ? readByGraph(model, prompts, options) : readByNetwork(model, prompts, options)
