import { sizeOfModel, tokensPerSecond } from '@tersor/evaluation'
import { generate, type Generator } from '@tersor/models/generate'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { measurerFor, type Measures } from './measures.js'
import { weightBytes } from './weight-bytes.js'
import { weightErrors, type WeightError } from './weight-errors.js'

/** A model among others. */
export interface ComparedModel extends Measures {
  readonly model: string
  /** Of the files with weights. */
  readonly bytes: number
  readonly bitsPerWeight: number
  /** While text is generated. */
  readonly tokensPerSecond?: number
  /** The layer whose weight is farthest from that of the first model. */
  readonly worst?: WeightError
}

export interface CompareModelsOptions {
  /** A text or images; only sizes, speed and weights are compared where absent. */
  readonly data?: readonly string[] | undefined
  /** About as many tokens of a text, spread over it; all where absent. */
  readonly tokens?: number | undefined
  /** Tokens that are generated to time it; none where 0. */
  readonly timed?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, of: number, label: string) => void) | undefined
}

/** A text that any tokenizer takes. */
const PROMPT = 'The '
/** Enough for a steady rate. */
const TIMED_TOKENS = 32

/** What generates text, and how long a text may be; undefined for other models. */
const generatorOf = (model: OpenedModel): readonly [generator: Generator, room: number] | undefined => {
  if (model.family === 'language') return model.tokenizer ? [model, model.contextLength] : undefined
  return model.family === 'graph' && model.text ? [{ ...model, text: model.text }, model.text.contextLength] : undefined
}

const speedOf = async (model: OpenedModel, timed: number, signal: AbortSignal | undefined): Promise<number | undefined> => {
  const [generator, room] = generatorOf(model) ?? []
  if (!generator || timed === 0) return undefined
  const tokens = Math.min(timed + 1, Math.floor(room! / 2))
  const speed = await tokensPerSecond(generate(generator, { prompt: PROMPT, tokens, ...(signal ? { signal } : {}) }))
  return speed.tokens > 1 ? speed.tokensPerSecond : undefined
}

const opened = async <T>(path: string, work: (model: OpenedModel) => Promise<T>): Promise<T> => {
  const model = await openModel(path)
  try {
    return await work(model)
  } finally {
    await model.close?.()
  }
}

/**
 * Sizes, quality, speed and the worst layer of models, each beside the first.
 * Throws BAD_OPTION without a model, and what opening, reading and measuring throw.
 */
export const compareModels = async (paths: readonly string[], options: CompareModelsOptions = {}): Promise<readonly ComparedModel[]> => {
  const { data, tokens, timed = TIMED_TOKENS, signal, onProgress } = options
  if (paths.length === 0)
    throw new CompressionError('BAD_OPTION', 'There is nothing to compare.', 'Pass the models: the original first, then what came of it.')
  return opened(paths[0], async reference => {
    let label = ''
    const run = { ...(signal ? { signal } : {}), onProgress: (done: number, of: number) => onProgress?.(done, of, label) }
    const measurer = data === undefined ? undefined : await measurerFor(reference, paths[0], data, { ...run, tokens })
    const row = async (path: string, model: OpenedModel): Promise<ComparedModel> => {
      label = path
      signal?.throwIfAborted()
      const isFirst = model === reference
      const measures = isFirst ? await measurer?.alone(model) : await measurer?.against(model, reference)
      const errors = isFirst ? [] : await weightErrors(model, reference, signal)
      const [worst] = [...errors].sort((a, b) => b.error - a.error)
      const [bytes, speed] = [await weightBytes(path), await speedOf(model, timed, signal)]
      return {
        ...{ model: path, bytes, bitsPerWeight: (8 * bytes) / Math.max(1, sizeOfModel(model).parameters), ...measures },
        ...(speed === undefined ? {} : { tokensPerSecond: speed }),
        ...(worst && worst.error > 0 ? { worst } : {}),
      }
    }
    const rows = [await row(paths[0], reference)]
    for (const path of paths.slice(1)) rows.push(await opened(path, model => row(path, model)))
    return rows
  })
}
