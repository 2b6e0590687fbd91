import type { ParameterStore } from '@tersor/tensor'
import type { RawConfig } from './raw-config.js'
import { withoutNames } from '../opening/stored-names.js'

/** Where a network keeps its embedding and its head. */
interface Tie {
  readonly embeddings: readonly string[]
  readonly head: string
  /** Whether they are one where the config says nothing. */
  readonly usual: boolean
}

const LANGUAGE: Tie = { embeddings: ['model.embed_tokens.weight'], head: 'lm_head.weight', usual: false }
const TIES: Readonly<Record<string, Tie>> = {
  gpt2: { embeddings: ['transformer.wte.weight', 'wte.weight'], head: 'lm_head.weight', usual: true },
  bert: { embeddings: ['bert.embeddings.word_embeddings.weight'], head: 'cls.predictions.decoder.weight', usual: true },
  gemma2: { ...LANGUAGE, usual: true },
  smollm3: { ...LANGUAGE, usual: true },
}

export interface SettledHead {
  readonly config: RawConfig
  readonly params: ParameterStore
  readonly notes: readonly string[]
}

/** SHA-256 of a plain tensor, so that only one of two is held at a time; undefined for a tree. */
const digestOf = async (params: ParameterStore, name: string): Promise<string | undefined> => {
  const parameter = await params.read(name)
  if (parameter.kind !== 'dense') return undefined
  return globalThis.process.getBuiltinModule('node:crypto').createHash('sha256').update(parameter.bytes).digest('hex')
}

const areSame = async (params: ParameterStore, a: string, b: string): Promise<boolean> => {
  const [first, second] = [params.info(a), params.info(b)]
  if (first.dtype !== second.dtype || first.byteLength !== second.byteLength) return false
  const digest = await digestOf(params, a)
  return digest !== undefined && digest === (await digestOf(params, b))
}

/**
 * Settles whether the head of a checkpoint is its embedding: where the config says so and the file has a head of its own that differs,
 * the head is kept and the config says so, as in transformers 5; an equal copy is left out. Reads both tensors once.
 */
export const settledHead = async (config: RawConfig, params: ParameterStore): Promise<SettledHead> => {
  const type = String(config.model_type)
  const { embeddings, head, usual } = Object.hasOwn(TIES, type) ? TIES[type] : LANGUAGE
  const names = params.names()
  const embedding = embeddings.find(name => names.includes(name))
  const isTied = (config.tie_word_embeddings ?? usual) === true
  if (!isTied || embedding === undefined || !names.includes(head)) return { config, params, notes: [] }
  if (await areSame(params, embedding, head)) return { config, params: withoutNames(params, new Set([head])), notes: [] }
  const note = `The config ties the head to the embedding, but the file has a "${head}" that differs: it is kept, and tie_word_embeddings is false from here on.`
  return { config: { ...config, tie_word_embeddings: false }, params, notes: [note] }
}
