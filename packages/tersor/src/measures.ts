import { comparePredictions, cosineSimilarity, perplexity, preparedBatch, topOne, topOneAgreement, type Window } from '@tersor/evaluation'
import type { EvaluationOptions } from '@tersor/evaluation/internal/each-output'
import { repeatably } from '@tersor/kernels/repeatably'
import type { OpenedModel } from '@tersor/models/open-model'
import { graphInputs, holdTensors } from './inputs/graph-inputs.js'
import { imagesFor, textOf, windowsFor, type Imaging } from './inputs/measured-inputs.js'
import { expandPaths } from './texts/files.js'
import { hasText } from './texts/text-model.js'

/** What is measured of a model; which depends on its kind and on what stands before it. */
export interface Measures {
  readonly perplexity?: number
  /** Nats to the reference. */
  readonly kl?: number
  /** Share of tokens whose likeliest next one is another than the reference's. */
  readonly flips?: number
  /** Share of images that get their own class. */
  readonly top1?: number
  /** Share of inputs that get the reference's answer. */
  readonly agreement?: number
  /** Of hidden states with the reference's. */
  readonly cosine?: number
}

/** Measures models of one kind on one set of data. */
export interface Measurer {
  /** Of a model alone; nothing for what only a comparison says. */
  alone(model: OpenedModel): Promise<Measures>
  /** Of a model beside the one that it came from. */
  against(model: OpenedModel, reference: OpenedModel): Promise<Measures>
}

export interface MeasureOptions extends EvaluationOptions {
  /** About as many tokens of a text at most, spread over it; all where absent. */
  readonly tokens?: number | undefined
  /** Windows of a text are no longer than this, nor than the context. */
  readonly longest?: number | undefined
}

/** At most so many tokens of a text, evenly spread over it. */
const spread = (windows: readonly Window[], most = Infinity, longest = Infinity): readonly Window[] => {
  const cut = windows.flatMap(window =>
    Array.from({ length: Math.ceil(window.length / Math.min(longest, window.length)) }, (_, i) =>
      window.slice(i * longest, longest === Infinity ? undefined : (i + 1) * longest),
    ),
  )
  const tokens = cut.reduce((sum, window) => sum + window.length, 0)
  if (tokens <= most) return cut
  const count = Math.max(1, Math.floor((cut.length * most) / tokens))
  return Array.from({ length: count }, (_, i) => cut[Math.floor((i * cut.length) / count)])
}

/** All of the data as it comes, without a word. */
const IN_ORDER = { shuffle: false, seed: 0 }
const SILENT = (): void => {}

const textMeasurer = (windows: readonly Window[], run: EvaluationOptions): Measurer => ({
  alone: async each => ({ perplexity: (await perplexity(textOf(each), windows, run)).perplexity }),
  against: async (each, reference) => {
    const { perplexity: own, kl, flips } = await comparePredictions(textOf(each), textOf(reference), windows, run)
    return { perplexity: own, kl, flips }
  },
})

const encoderMeasurer = (windows: readonly Window[], run: EvaluationOptions): Measurer => ({
  alone: async () => ({}),
  against: async (each, reference) => ({ cosine: (await cosineSimilarity(each, reference, windows, run)).cosine }),
})

const tensorMeasurer = async (
  model: OpenedModel & { family: 'graph' },
  data: readonly string[],
  run: EvaluationOptions,
): Promise<Measurer> => ({
  alone: async () => ({}),
  against: async (each, reference) => {
    const batches = await graphInputs(model.inputs, data, IN_ORDER)
    const inputs = { batches: batches.length, batch: (index: number) => batches[index] }
    return { agreement: (await topOneAgreement(each, reference, inputs, run)).agreement }
  },
})

const imageMeasurer = async (model: Imaging, data: readonly string[], path: string, run: EvaluationOptions): Promise<Measurer> => {
  const { images, rows, ...how } = await imagesFor(model, { data, ...IN_ORDER }, path)
  const known = images.classes.length > 0
  const batch = (index: number) => preparedBatch(images, index * rows, Math.min((index + 1) * rows, images.count), how.preprocessing)
  const inputs = { batches: Math.ceil(images.count / rows), batch }
  const alone = async (each: OpenedModel): Promise<Measures> =>
    known ? { top1: (await topOne(each, images, { ...run, rows, ...how })).top1 } : {}
  return {
    alone,
    against: async (each, reference) => ({
      ...(await alone(each)),
      agreement: (await topOneAgreement(each, reference, inputs, run)).agreement,
    }),
  }
}

/** Numbers that a stopped run gives again, and that do not depend on what was measured before. */
const repeatable = ({ alone, against }: Measurer): Measurer => ({
  alone: model => repeatably(() => alone(model)),
  against: (model, reference) => repeatably(() => against(model, reference)),
})

/** Reads data for models of the kind of the one at a path; throws what reading it throws. */
export const measurerFor = async (
  model: OpenedModel,
  path: string,
  data: readonly string[],
  { tokens, longest, ...run }: MeasureOptions,
): Promise<Measurer> => {
  if (hasText(model) || model.family === 'encoder') {
    const windows = spread(await windowsFor(model, { data, ...IN_ORDER }, SILENT), tokens, longest)
    return repeatable(hasText(model) ? textMeasurer(windows, run) : encoderMeasurer(windows, run))
  }
  const files = await expandPaths(data)
  if (model.family === 'graph' && (await holdTensors(files))) return repeatable(await tensorMeasurer(model, files, run))
  return imageMeasurer(model as Imaging, data, path, run)
}

/** How far a model is from its reference in one number, and what it is: divergence of text, or the share or cosine that is missing. */
export const distanceOf = ({ kl, agreement, cosine }: Measures): number => kl ?? 1 - (agreement ?? cosine ?? 1)

/** Whether a model was measured beside the reference, so that it has a distance from it. */
export const isCompared = ({ kl, agreement, cosine }: Measures): boolean => (kl ?? agreement ?? cosine) !== undefined
