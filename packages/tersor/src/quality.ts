import type { OpenedModel } from '@tersor/models/open-model'
import { openModel } from '@tersor/models/open-model'
import { hasCode, sizeOf } from '@tersor/tensor'
import { hasText } from './texts/text-model.js'
import type { Hearing } from './compress-request.js'
import { measurerFor, type Measures } from './measures.js'

/** What a result is worth, beside the model that it came from. */
export interface Quality {
  readonly data: string
  /** Whether the steps learned from the same data, which flatters them. */
  readonly learned: boolean
  readonly before: Measures
  readonly after: Measures
}

export interface QualityRequest {
  readonly model: OpenedModel
  readonly path: string
  /** Where the result stands. */
  readonly saved: string
  readonly evaluate: readonly string[] | undefined
  readonly calibrate: readonly string[]
}

/** Of a text that was not given to be measured on: so much that it takes seconds. */
const FEW = { tokens: 2048, longest: 256 }
/** Both models are held whole, as float32: beyond this only where a user asks for it. */
const MOST_BYTES = 2 ** 30

/** Bytes of both models as float32, and of the logits of a batch. */
const bytesOf = (model: OpenedModel): number => {
  const weights = model.params.names().reduce((sum, name) => sum + sizeOf(model.params.info(name).shape), 0)
  const vocabulary = model.family === 'language' ? model.vocabularySize : model.family === 'graph' ? (model.text?.vocabularySize ?? 0) : 0
  return 4 * (2 * weights + 3 * FEW.tokens * vocabulary)
}

/**
 * Measures a model before and after: on what was given for it, else on a little of the text that the steps learned from, where both models
 * fit into memory. Undefined where there is neither. Throws what reading the data throws, where it was given for this.
 */
export const measureQuality = async (request: QualityRequest, hearing: Hearing): Promise<Quality | undefined> => {
  const { model, evaluate, calibrate } = request
  if (evaluate !== undefined) return measured(request, evaluate, hearing)
  if (calibrate.length === 0 || !hasText(model) || bytesOf(model) > MOST_BYTES) return undefined
  return measured(request, calibrate, hearing, FEW).catch((error: unknown) => {
    if (['BAD_DATA', 'NOT_FINITE', 'UNSUPPORTED'].some(code => hasCode(error, code as 'BAD_DATA'))) return undefined // nobody asked for it
    throw error
  })
}

const measured = async (
  { model, path, saved, calibrate }: QualityRequest,
  data: readonly string[],
  { signal, onAdvance }: Hearing,
  few: Partial<typeof FEW> = {},
): Promise<Quality | undefined> => {
  const small = await openModel(saved)
  try {
    const run = { signal, onProgress: (done: number, of: number) => onAdvance(done, of, 'measure') }
    if (hasText(model) && !hasText(small)) return undefined // a graph by itself, whose tokenizer stayed behind
    const measurer = await measurerFor(model, path, data, { ...run, ...few })
    const before = await measurer.alone(model)
    return { data: data.join(', '), learned: data === calibrate, before, after: await measurer.against(small, model) }
  } finally {
    await small.close?.()
  }
}
