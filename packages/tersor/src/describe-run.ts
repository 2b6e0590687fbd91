import type { Step } from '@tersor/core'
import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import type { OpenedModel } from '@tersor/models/open-model'
import { hasText } from './texts/text-model.js'
import type { CompressRequest } from './compress-request.js'
import type { CompressionResult } from './compression-result.js'
import { defined } from './defined.js'
import { describeOutput, nameInConfig } from './describe-output.js'
import { stepSources } from './provenance-command.js'
import { recipeOf, type Recipe } from './recipe.js'
import { hashOfData } from './source-hashes.js'

interface Run {
  readonly model: OpenedModel
  readonly path: string
  /** Of the model, which has been taken while the run went on. */
  readonly hash: Promise<string>
  /** With what a target stands for filled in. */
  readonly flags: CompressRequest
  readonly asked: CompressRequest
  readonly result: CompressionResult
  readonly facts: Readonly<Record<string, string>>
}

/** What was read, by what it was read for. */
const sourcesOf = async (
  model: Promise<string>,
  files: Readonly<Record<string, readonly string[]>>,
): Promise<Readonly<Record<string, string>>> => {
  const sources: Record<string, string> = { model: await model }
  for (const [name, given] of Object.entries(files)) if (given.length > 0) sources[name] = await hashOfData(given)
  return sources
}

/** Steps in order, those of pipelines among them. */
const eachStep = (steps: readonly Step[]): readonly Step[] =>
  steps.flatMap(step => (step.kind === 'pass' && step.steps ? eachStep(step.steps) : [step]))

/** The recipe of a run: what was asked for, so that a target chooses again. */
const recipeOfRun = async ({ path, hash, flags, asked, facts }: Run): Promise<Recipe> => {
  const { named = {}, calibrate, format, imatrix, seed, samples, length, shuffle } = flags
  const steps = named.steps ?? stepSources(eachStep(asked.steps))
  const { type, form, checkpointFormat, dtype, bits, cut } = asked
  const learned = named.calibrate ?? calibrate
  const options = defined({
    ...{ type, imatrix: typeof imatrix === 'string' ? imatrix : undefined, form, checkpointFormat, dtype, for: asked.for, bits, cut },
    ...{ calibrate: learned.length > 0 ? learned : undefined, samples, length, shuffle: shuffle || undefined },
  })
  const sources = await sourcesOf(hash, { calibrate, imatrix: typeof imatrix === 'string' ? [imatrix] : [] })
  return recipeOf({ model: named.model ?? path, steps, format, ...options, seed, facts, sources })
}

/** Writes beside the result of a run how it was made. Throws DISK. */
export const describeRun = async (run: Run): Promise<void> => {
  const { model, flags, result } = run
  const { architecture, bytesBefore, bytesAfter, quality } = result
  await describeOutput(flags.out, {
    ...{ recipe: await recipeOfRun(run), architecture, bytesBefore, bytesAfter, quality },
    ...{ parameters: sizeOfModel(model).parameters, generates: hasText(model), saysItIs: nameInConfig(model) },
  })
}
