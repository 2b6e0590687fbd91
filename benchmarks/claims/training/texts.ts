/** The bundled language model in training: its text, students of fewer layers, and how well they tell what comes next. */
import { createRng, crossEntropy, train, windowBatches, type Model, type TrainOptions } from '@tersor/core'
import { perplexity, readDocuments, windowsOf } from '@tersor/evaluation'
import { freshModel, type LanguageModel, type RawConfig } from '@tersor/models'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BUNDLED, openBundled } from '../bundled-model.js'
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

/** Windows of the text that calibration takes its own from, without the parts of a window that are left over. */
export const textBatches = async (seed: number): Promise<TrainOptions['data']> => {
  const { model } = await bundled()
  const documents = await readDocuments(join(BUNDLED, 'text/calibration.txt'))
  const windows = windowsOf(documents, model.tokenizer!, LENGTH + 1).filter(window => window.length === LENGTH + 1)
  return windowBatches({ windows, batch: ROWS, length: LENGTH, seed })
}

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
