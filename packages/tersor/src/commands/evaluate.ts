import { cosineSimilarity, klDivergence, perplexity, preparedBatch, topOne, topOneAgreement } from '@tersor/evaluation'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { graphInputs, holdTensors } from '../inputs/graph-inputs.js'
import { imagesFor, textOf, windowsFor, type DataFlags, type Imaging, type Tell } from '../inputs/measured-inputs.js'
import { bytesText, note, paint, noteWidth, writeResult, type Terminal } from '../output.js'
import { planFor } from '../plan-for.js'
import { progressOn } from '../progress.js'
import { expandPaths } from '../texts/files.js'
import { firstIn } from '../texts/shown-text.js'
import { hasText } from '../texts/text-model.js'
import { withModel, type CutFlags } from '../with-model.js'

export type Metric = 'perplexity' | 'top1' | 'kl' | 'agreement' | 'cosine'

export interface EvaluateFlags extends DataFlags, CutFlags {
  readonly metric?: Metric
  readonly reference?: string
  /** Policies of the cache as calls, in order. */
  readonly cache: readonly string[]
}

/** What measures a model of each kind, the usual first. */
const METRICS: Readonly<Record<OpenedModel['family'], readonly Metric[]>> = {
  image: ['top1', 'agreement'],
  graph: ['top1', 'agreement', 'perplexity', 'kl'],
  language: ['perplexity', 'kl'],
  encoder: ['cosine'],
}

const REMEDIES: Readonly<Record<OpenedModel['family'], string>> = {
  image: 'Use --metric top1 or agreement.',
  language: 'Use --metric perplexity or kl.',
  graph: 'Use --metric top1 or agreement; perplexity and kl measure a decoder in its folder, with its tokenizer.json.',
  encoder: 'Use --metric cosine, with the model before compression as --reference.',
}

const OF_TEXT: readonly Metric[] = ['perplexity', 'kl']

const wrongKind = (metric: Metric, family: OpenedModel['family']): CompressionError =>
  new CompressionError('BAD_OPTION', `${metric} does not measure a model of the kind ${family}.`, REMEDIES[family], { metric, family })

/** `tersor evaluate MODEL --data FILE`: one metric of one model. */
export const evaluate = (terminal: Terminal, path: string, flags: EvaluateFlags, signal: AbortSignal): Promise<void> =>
  withModel(terminal, { ...flags, path }, async model => {
    const metric = flags.metric ?? (hasText(model) ? 'perplexity' : METRICS[model.family][0]) ?? 'perplexity'
    if (!METRICS[model.family].includes(metric) || (OF_TEXT.includes(metric) && !hasText(model))) throw wrongKind(metric, model.family)
    if (flags.cache.length > 0 && metric !== 'perplexity')
      throw new CompressionError('BAD_OPTION', `${metric} reads no text through a cache.`, 'Leave --cache out, or use --metric perplexity.')
    const progress = progressOn(terminal)
    const tell: Tell = (told, first) => note(terminal, paint(terminal, firstIn(`data: ${told}`, first, noteWidth(terminal)), 'dim'))
    const run = { signal, onProgress: (done: number, of: number) => progress.advance(done, of, metric) }
    try {
      const result = await MEASURES[metric](model, flags, { ...run, path, tell })
      progress.stop()
      writeResult(terminal, result, resultText(result))
    } finally {
      progress.stop()
    }
  })

interface Run {
  readonly tell: Tell
  /** Of the model. */
  readonly path: string
  readonly signal: AbortSignal
  readonly onProgress: (done: number, of: number) => void
}

/** Opens what a metric compares with, for as long as the work takes. */
const withReference = async <T>(metric: Metric, path: string | undefined, work: (reference: OpenedModel) => Promise<T>): Promise<T> => {
  if (path === undefined)
    throw new CompressionError(
      'BAD_OPTION',
      `${metric} compares with a reference, and none was given.`,
      'Pass --reference MODEL, such as the model before compression.',
    )
  const reference = await openModel(path)
  try {
    return await work(reference)
  } finally {
    await reference.close?.()
  }
}

const MEASURES: Readonly<Record<Metric, (model: OpenedModel, flags: EvaluateFlags, run: Run) => Promise<object>>> = {
  perplexity: async (model, flags, run) => {
    const cache = await planFor(flags.cache)
    return perplexity(textOf(model), await windowsFor(model, flags, run.tell), cache.length > 0 ? { ...run, cache } : run)
  },
  top1: async (model, flags, { path, ...run }) => {
    const { images, ...how } = await imagesFor(model as Imaging, flags, path)
    return topOne(model, images, { ...run, ...how })
  },
  kl: (model, flags, run) =>
    withReference('kl', flags.reference, async other =>
      klDivergence(textOf(model), textOf(other), await windowsFor(model, flags, run.tell), run),
    ),
  cosine: (model, flags, run) =>
    withReference('cosine', flags.reference, async other => cosineSimilarity(model, other, await windowsFor(model, flags, run.tell), run)),
  agreement: (model, flags, { path, ...run }) =>
    withReference('agreement', flags.reference, async other => {
      const files = await expandPaths(flags.data)
      if (model.family === 'graph' && (await holdTensors(files))) {
        const batches = await graphInputs(model.inputs, files, flags)
        return topOneAgreement(model, other, { batches: batches.length, batch: index => batches[index] }, run)
      }
      const { images, preprocessing, rows } = await imagesFor(model as Imaging, flags, path)
      const batch = (index: number) => preparedBatch(images, index * rows, Math.min((index + 1) * rows, images.count), preprocessing)
      return topOneAgreement(model, other, { batches: Math.ceil(images.count / rows), batch }, run)
    }),
}

const numberText = (value: unknown): string => (typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(4) : String(value))

const resultText = (result: object): string =>
  Object.entries(result)
    .map(([name, value]) => (name === 'cacheBytes' ? `cache ${bytesText(Number(value))}` : `${name} ${numberText(value)}`))
    .join('  ')
