import { readSmallFile } from '@tersor/formats/internal/files/byte-source'
import { within, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { hasCode } from '@tersor/tensor'
import type { GraphModel, GraphText } from '@tersor/models/graph-model'
import type { ModelFiles } from '@tersor/models/raw-config'
import { openTokenizer } from '@tersor/models/tokenizer'

const IDS = 'input_ids'
const LOGITS = 'logits'
const TYPES = 'token_type_ids'
/** Fills gaps: its logits say nothing of what comes next. */
const MASKED = /ForMaskedLM$/
/** Where a config does not say how many tokens fit. */
const USUAL_LENGTH = 2048
/** A tokenizer or config is smaller; beyond it the file is something else. */
const MAX_BYTES = 256 << 20

const readSmall = (path: string, fs: FileSystem): Promise<Uint8Array | undefined> =>
  readSmallFile(path, MAX_BYTES, fs).catch((error: unknown) => {
    if (hasCode(error, 'NOT_FOUND') || hasCode(error, 'BAD_FILE')) return undefined
    throw error
  })

const positive = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : otherwise

export const parsed = (bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> => {
  try {
    return (JSON.parse(new TextDecoder().decode(bytes)) ?? {}) as Readonly<Record<string, unknown>>
  } catch {
    return {} // without a config, what the graph says of itself must do
  }
}

/** Files that transformers.js reads beside a graph. */
const BESIDE = [
  ...['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'],
  ...['vocab.json', 'merges.txt', 'vocab.txt', 'tokenizer.model', 'chat_template.jinja', 'preprocessor_config.json'],
]

/** The files of a folder that its graph is loaded with. */
export const filesBeside = async (folder: string, fs: FileSystem): Promise<ModelFiles> => {
  const read = await Promise.all(BESIDE.map(async name => [name, await readSmall(within(folder, name), fs)] as const))
  return Object.fromEntries(read.flatMap(([name, bytes]) => (bytes ? [[name, bytes] as const] : [])))
}

/** What the config.json beside a graph says; nothing where there is none. */
export const configOf = async (folder: string, fs: FileSystem): Promise<Readonly<Record<string, unknown>>> =>
  parsed(await readSmall(within(folder, 'config.json'), fs))

/** The tokens that end a text, where a config says so: one, or a list of them. */
const endsIn = ({ eos_token_id: ends }: Readonly<Record<string, unknown>>): readonly number[] | undefined => {
  const ids = (Array.isArray(ends) ? ends : [ends]).filter((id): id is number => Number.isSafeInteger(id) && id >= 0)
  return ids.length > 0 ? ids : undefined
}

/** Whether a graph may give logits (batch, tokens, vocabulary) of token ids; those that take types of tokens are encoders. */
const mayContinue = ({ inputs, outputs: [{ name, shape }] }: Pick<GraphModel, 'inputs' | 'outputs'>): boolean =>
  inputs[0].name === IDS && name === LOGITS && (shape?.length ?? 3) === 3 && !inputs.some(input => input.name === TYPES)

/**
 * What makes text of a graph that gives logits of the token after each: the tokenizer beside it and how many tokens fit; undefined where the
 * graph takes or gives something else, as encoders do, or has no tokenizer. Throws BAD_FILE for a tokenizer that is none.
 */
export const textOfGraph = async (
  folder: string,
  model: Pick<GraphModel, 'inputs' | 'outputs'>,
  fs: FileSystem,
): Promise<GraphText | undefined> => {
  if (!mayContinue(model)) return undefined
  const [tokenizer, tokenizerConfig, config, generation] = await Promise.all(
    ['tokenizer.json', 'tokenizer_config.json', 'config.json', 'generation_config.json'].map(name => readSmall(within(folder, name), fs)),
  )
  const described = parsed(config)
  if (!tokenizer || MASKED.test(String((described.architectures as readonly unknown[] | undefined)?.[0]))) return undefined
  const files = { 'tokenizer.json': tokenizer, ...(tokenizerConfig ? { 'tokenizer_config.json': tokenizerConfig } : {}) }
  const opened = openTokenizer(files)
  const { max_position_embeddings: length, vocab_size: size } = described
  const declared = model.outputs[0].shape?.at(-1)
  return {
    ...{ tokenizer: opened, files },
    config: { eos: endsIn(parsed(generation)) ?? endsIn(described) ?? [] },
    contextLength: positive(length, USUAL_LENGTH),
    vocabularySize: positive(declared, positive(size, opened.vocabularySize)),
  }
}
