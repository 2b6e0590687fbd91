import { klDivergence, perplexity, readDocuments, readImages, topOne, windowsOf } from '@tersor/evaluation'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { withModel } from '../session.js'

export type Metric = 'perplexity' | 'top1' | 'kl'

export interface EvaluateFlags {
  readonly data: string
  readonly metric?: Metric
  readonly reference?: string
}

type Language = OpenedModel & { readonly family: 'language' }

const REMEDIES: Readonly<Record<OpenedModel['family'], string>> = {
  image: 'Use --metric top1.',
  language: 'Use --metric perplexity or kl.',
  graph: 'Imported graphs are measured from code: topOneAgreement of @tersor/evaluation.',
  encoder: 'Encoders have no metric here: compare what they give before and after.',
}

const wrongKind = (metric: Metric, family: OpenedModel['family']): CompressionError =>
  new CompressionError('BAD_OPTION', `${metric} does not measure a model of the kind ${family}.`, REMEDIES[family], { metric, family })

/** `tersor evaluate MODEL --data FILE`: one metric of one model. */
export const evaluate = (terminal: Terminal, path: string, flags: EvaluateFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, path, async model => {
    const metric = flags.metric ?? (model.family === 'image' ? 'top1' : 'perplexity')
    if (model.family === 'encoder' || model.family === 'graph' || (metric === 'top1') !== (model.family === 'image'))
      throw wrongKind(metric, model.family)
    const progress = progressOn(terminal)
    const run = { signal, onProgress: (done: number, of: number) => progress.advance(done, of, metric) }
    try {
      const result = await MEASURES[metric](model, flags, run)
      progress.stop()
      writeResult(terminal, result, textOf(result))
    } finally {
      progress.stop()
    }
  })

interface Run {
  readonly signal: AbortSignal
  readonly onProgress: (done: number, of: number) => void
}

const windowsFor = async (model: Language, data: string) => {
  if (!model.tokenizer)
    throw new CompressionError(
      'UNSUPPORTED',
      'The model has no tokenizer.json, so text cannot be read for it.',
      'Put its tokenizer.json into the folder.',
    )
  return windowsOf(await readDocuments(data), model.tokenizer, model.contextLength)
}

const MEASURES: Readonly<Record<Metric, (model: OpenedModel, flags: EvaluateFlags, run: Run) => Promise<object>>> = {
  perplexity: async (model, { data }, run) => perplexity(model as Language, await windowsFor(model as Language, data), run),
  top1: async (model, { data }, run) => topOne(model, await readImages(data), run),
  kl: async (model, { data, reference }, run) => {
    if (reference === undefined)
      throw new CompressionError(
        'BAD_OPTION',
        'kl compares with a reference, and none was given.',
        'Pass --reference MODEL, such as the model before compression.',
      )
    const other = await openModel(reference)
    try {
      return await klDivergence(model as Language, other as Language, await windowsFor(model as Language, data), run)
    } finally {
      await other.close?.()
    }
  },
}

const textOf = (result: object): string =>
  Object.entries(result)
    .map(([name, value]) => `${name} ${typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(4) : value}`)
    .join('  ')
