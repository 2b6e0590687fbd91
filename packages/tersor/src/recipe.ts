import { VERSION } from '@tersor/core/version'
import { CompressionError } from '@tersor/tensor'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FormatFlags } from './format-flags.js'
import { kindOf } from './kind-of.js'
import { quoted } from './shell-text.js'
import type { TargetName } from './targets/targets.js'

/** How an output was made: what `tersor repeat` makes it of again. It is written beside it, and says nothing of where that was. */
export interface Recipe extends Omit<FormatFlags, 'imatrix'> {
  readonly imatrix?: string
  /** Version that made it. */
  readonly tersor: string
  /** As it was given: a path, or a name on the hub. */
  readonly model: string
  readonly calibrate?: readonly string[]
  readonly samples?: number
  readonly length?: number
  readonly shuffle?: boolean
  /** A runtime, which chose what is not said here. */
  readonly for?: TargetName
  readonly bits?: number
  /** The share of the units that the model, which is sorted, was opened with. */
  readonly cut?: number
  /** As the command line takes them; none where the model was converted only. */
  readonly steps: readonly string[]
  readonly seed: number
  /** What else decides the bytes: engine, threads and their version. */
  readonly facts: Readonly<Record<string, string>>
  /** SHA-256 of what was read, by what it was read for. */
  readonly sources: Readonly<Record<string, string>>
}

/** Its name in a folder. */
const IN_FOLDER = 'tersor.recipe.json'

/** Where the recipe of an output is: in its folder, or beside its file under a name that no reader of weights takes for a part of it. */
export const recipePath = async (out: string): Promise<string> =>
  (await kindOf(out)) === 'folder' ? join(out, IN_FOLDER) : join(dirname(out), `${basename(out).replaceAll('.', '-')}.recipe.json`)

const isRecipe = (value: unknown): value is Recipe => {
  const { tersor, model, steps, format, seed, sources, facts } = (value ?? {}) as Partial<Recipe>
  const texts = [tersor, model, format].every(each => typeof each === 'string')
  const lists = Array.isArray(steps) && steps.every(step => typeof step === 'string')
  return texts && lists && typeof seed === 'number' && [sources, facts].every(each => typeof each === 'object' && each !== null)
}

/** Files that stand in a folder of their own, whose recipe is that of the folder. */
const IN_OWN_FOLDER = /^model\.(gguf|json)$/

/** Reads the recipe of an output; undefined where there is none. Throws BAD_FILE. */
export const readRecipe = async (out: string): Promise<Recipe | undefined> => {
  const path = await recipePath(out)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined && IN_OWN_FOLDER.test(basename(out))) return readRecipe(dirname(out))
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // said below
  }
  if (isRecipe(value)) return value
  throw new CompressionError('BAD_FILE', `${path} is no recipe of ours.`, 'Take the one that was written with this output, or remove it.', {
    path,
  })
}

const FLAGS = {
  ...{ for: '--for', bits: '--bits', cut: '--cut', samples: '--samples', length: '--length' },
  ...{ type: '--type', imatrix: '--imatrix', form: '--form', checkpointFormat: '--checkpoint-format', dtype: '--dtype' },
} as const

/** The command that makes it. */
export const commandOf = (recipe: Recipe, out = 'OUT'): string => {
  const { model, steps, calibrate = [], format, seed, shuffle } = recipe
  const flags = (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).flatMap(name =>
    recipe[name] === undefined ? [] : [FLAGS[name], quoted(String(recipe[name]))],
  )
  const files = calibrate.flatMap(file => ['--calibrate', quoted(file)])
  return [
    'tersor',
    steps.length > 0 || recipe.for ? 'compress' : 'convert',
    ...[quoted(model), '--out', quoted(out)],
    ...steps.flatMap(step => ['--step', quoted(step)]),
    ...files,
    ...(format === 'huggingface' || recipe.for ? [] : ['--format', format]),
    ...flags,
    ...(shuffle ? ['--shuffle'] : []),
    ...(seed === 0 ? [] : ['--seed', String(seed)]),
  ].join(' ')
}

/** What is written down of a run. */
export const recipeOf = (run: Omit<Recipe, 'tersor'>): Recipe => ({ tersor: VERSION, ...run })
