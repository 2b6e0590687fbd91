/** The bundled language model in training: its text, students of fewer layers, and how well they tell what comes next. */
import { createRng, crossEntropy, train, windowBatches, type Model, type TrainOptions } from '@tersor/core'
import { perplexity, readDocuments, windowsOf, type Window } from '@tersor/evaluation'
import { freshModel, type LanguageModel, type RawConfig } from '@tersor/models'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BUNDLED, DATA, openBundled } from '../bundled-model.js'
import { adamOnCosine } from './recipe.js'

const ROWS = 8
/** Half of the context, which is enough to tell networks apart. */
const LENGTH = 128
/** Held-out windows that are measured. */
const VALIDATION_WINDOWS = 64

export const configOfBundled = async (): Promise<RawConfig> =>
  JSON.parse(await readFile(join(BUNDLED, 'model/config.json'), 'utf8')) as RawConfig

let opened: ReturnType<typeof openBundled> | undefined
export const bundled = () => (opened ??= openBundled())

export const perplexityOf = async (model: Model): Promise<number> => {
  const { validation } = await bundled()
  return (await perplexity(model, validation.slice(0, VALIDATION_WINDOWS))).perplexity
}

/** The first layers of the bundled model, its embedding and its head: a student to begin with. */
export const truncated = async (layers: number): Promise<LanguageModel> => {
  const { model } = await bundled()
  const student = freshModel({ ...(await configOfBundled()), num_hidden_layers: layers }, { from: model.params, dtype: 'f32' })
  if (student.family !== 'language') throw new Error('The bundled model is no language model.')
  return student
}

const batchesOf = (windows: readonly Window[], seed: number): TrainOptions['data'] =>
  windowBatches({ windows: windows.filter(window => window.length === LENGTH + 1), batch: ROWS, length: LENGTH, seed })

/** Windows of the text that calibration takes its own from, without the parts of a window that are left over. */
export const textBatches = async (seed: number): Promise<TrainOptions['data']> => {
  const { model } = await bundled()
  return batchesOf(windowsOf(await readDocuments(join(BUNDLED, 'text/calibration.txt')), model.tokenizer!, LENGTH + 1), seed)
}

/** Stories at the end that are measured. */
const MEASURED = 100

/** Stories for children, which the bundled model has not seen, as windows. */
const readStories = async () => {
  const { model } = await bundled()
  const told = await readDocuments(join(DATA, 'text/tinystories-train-900.txt'))
  const cut = (some: readonly string[]) => windowsOf(some, model.tokenizer!, LENGTH + 1)
  return { first: (count: number) => cut(told.slice(0, count)), measured: cut(told.slice(-MEASURED)).filter(({ length }) => length > 1) }
}
let stories: ReturnType<typeof readStories> | undefined

/** Batches of the first so many stories. */
export const storyBatches = async (count: number, seed: number): Promise<TrainOptions['data']> =>
  batchesOf((await (stories ??= readStories())).first(count), seed)

export const perplexityOfStories = async (model: Model): Promise<number> =>
  (await perplexity(model, (await (stories ??= readStories())).measured)).perplexity

/** Trains a student on the text, with the bundled model for a teacher. */
export const trainOnText = async <M extends Model>(
  student: M,
  seed: number,
  options: Partial<TrainOptions> & Pick<TrainOptions, 'steps'>,
): Promise<M> =>
  train(student, {
    objective: crossEntropy,
    transform: adamOnCosine({ steps: options.steps, norm: 1 }),
    data: await textBatches(seed),
    teacher: (await bundled()).model,
    rng: createRng(seed),
    ...options,
  })
