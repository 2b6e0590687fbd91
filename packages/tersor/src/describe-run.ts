import type { Step } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import type { OpenedModel } from '@tersor/models/open-model'
import { hasText } from './commands/evaluate.js'
import type { CompressRequest } from './compress-request.js'
import type { CompressionResult } from './compression-result.js'
import { describeOutput } from './describe-output.js'
import { stepSources } from './provenance-command.js'
import { recipeOf, type Recipe } from './recipe.js'
import { hashOfData, hashOfModel } from './source-hashes.js'

interface Run {
  readonly model: OpenedModel
  readonly path: string
  readonly flags: CompressRequest
  readonly result: CompressionResult
  readonly facts: Readonly<Record<string, string>>
}

/** What was read, by what it was read for. */
const sourcesOf = async (path: string, files: Readonly<Record<string, string | undefined>>): Promise<Readonly<Record<string, string>>> => {
  const sources: Record<string, string> = { model: await hashOfModel(path) }
  for (const [name, file] of Object.entries(files)) if (file !== undefined) sources[name] = await hashOfData(file)
  return sources
}

/** Steps in order, those of pipelines among them. */
const eachStep = (steps: readonly Step[]): readonly Step[] =>
  steps.flatMap(step => (step.kind === 'pass' && step.steps ? eachStep(step.steps) : [step]))

/** The recipe of a run. */
const recipeOfRun = async ({ path, flags, facts }: Run): Promise<Recipe> => {
  const { named = {}, calibrate, format, type, imatrix, form, checkpointFormat, dtype, seed } = flags
  const steps = named.steps ?? stepSources(eachStep(flags.steps))
  const given = { type, imatrix, form, checkpointFormat, dtype }
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const learned = named.calibrate ?? calibrate
  return recipeOf({
    ...{ model: named.model ?? path, steps, ...(learned === undefined ? {} : { calibrate: learned }) },
    ...{ format, ...options, seed, facts, sources: await sourcesOf(path, { calibrate, imatrix }) },
  })
}

/** What transformers writes into a config of where a model came from. */
export const nameInConfig = ({ rawConfig }: OpenedModel): unknown => (rawConfig as Readonly<Record<string, unknown>>)._name_or_path

/** Writes beside the result of a run how it was made. Throws DISK. */
export const describeRun = async (run: Run): Promise<void> => {
  const { model, flags, result } = run
  const { architecture, bytesBefore, bytesAfter, quality } = result
  await describeOutput(flags.out, {
    ...{ recipe: await recipeOfRun(run), architecture, bytesBefore, bytesAfter, quality },
    ...{ parameters: sizeOfModel(model).parameters, generates: hasText(model), saysItIs: nameInConfig(model) },
  })
}
