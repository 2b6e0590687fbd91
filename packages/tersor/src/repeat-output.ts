import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { runCompression } from './compress-model.js'
import type { Hearing } from './compress-request.js'
import { convertModel } from './convert-model.js'
import { defined } from './defined.js'
import { engineFacts } from './engine-facts.js'
import { isHubName } from './hub/hub-name.js'
import { stands } from './kind-of.js'
import { makeStep } from './methods.js'
import type { Terminal } from './output.js'
import { readRecipe, recipePath, type Recipe } from './recipe.js'
import { hashOfData, hashOfModel } from './source-hashes.js'
import { startEngine } from './with-model.js'

/** What came of a repetition. */
export interface Repeated {
  readonly out: string
  readonly recipe: Recipe
  /** Files that are not the same as in the output that was repeated. */
  readonly different: readonly string[]
  /** What decides bytes and is another here: engine, threads or version. */
  readonly otherFacts: readonly string[]
}

/** A path of a recipe: as it was given, from the working folder or else from where the output stands, or a copy of what the hub has. */
const found = async (path: string, beside: string, { signal, onAdvance }: Hearing): Promise<string> => {
  if (isHubName(path)) return (await import('./hub/local-copy.js')).localCopy(path, { signal, onProgress: onAdvance })
  if (isAbsolute(path) || (await stands(resolve(path)))) return path
  const near = join(beside, path)
  return (await stands(near)) ? near : path
}

/** Throws BAD_DATA where a source is no longer what it was. */
const requireSame = async (
  name: string,
  paths: readonly string[],
  expected: string | undefined,
  hash: (paths: readonly string[]) => Promise<string>,
): Promise<void> => {
  if (expected === undefined || (await hash(paths)) === expected) return
  throw new CompressionError(
    'BAD_DATA',
    `The ${name} at ${paths.join(', ')} is not the one that the recipe was run with.`,
    'Bring back the one that it names, or run compress again for a new recipe.',
    { name, paths },
  )
}

const noRecipe = (path: string, where: string): CompressionError =>
  new CompressionError(
    'NOT_FOUND',
    `${path} has no recipe: there is no ${where}.`,
    'Pass what tersor compress or tersor convert wrote, with the recipe that was written beside it.',
    { path },
  )

/** Files below a folder but for what names the run: all, or the one file. */
const filesOf = async (path: string): Promise<ReadonlyMap<string, string>> => {
  if (!(await stat(path)).isDirectory()) return new Map([['', path]])
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return new Map(
    entries
      .filter(entry => !entry.isDirectory())
      .map(entry => [relative(path, join(entry.parentPath, entry.name)), join(entry.parentPath, entry.name)]),
  )
}

/** A card or a recipe may be written anew by a person, and measures are none of the bytes that run. */
const ABOUT = /^(README\.md|tersor\.recipe\.json|\.tersor\.json)$/

const differences = async (was: string, is: string): Promise<readonly string[]> => {
  const [before, after] = [await filesOf(was), await filesOf(is)]
  const names = [...new Set([...before.keys(), ...after.keys()])].filter(name => !ABOUT.test(name)).sort()
  const same = await Promise.all(
    names.map(async name => {
      const [a, b] = [before.get(name), after.get(name)]
      return a !== undefined && b !== undefined && (await readFile(a)).equals(await readFile(b))
    }),
  )
  return names.filter((_, i) => !same[i])
}

/** What decides no bytes. */
const AS_RECORDED = { resume: false, verify: false, activationMemory: 512, quality: false } as const

/**
 * Runs the recipe of an output again, into another place, and compares byte by byte.
 * Throws NOT_FOUND without a recipe, BAD_DATA where a source has changed since, and what the run throws.
 */
export const repeatOutput = async (
  terminal: Terminal,
  path: string,
  out: string,
  overwrite: boolean,
  hearing: Hearing,
): Promise<Repeated> => {
  const recipe = await readRecipe(path)
  if (!recipe) throw noRecipe(path, await recipePath(path))
  const beside = dirname(resolve(path))
  const model = await found(recipe.model, beside, hearing)
  const { calibrate: learned = [], samples, length, shuffle = false } = recipe
  const calibrate = await Promise.all(learned.map(file => found(file, beside, hearing)))
  const imatrix = recipe.imatrix === undefined ? undefined : await found(recipe.imatrix, beside, hearing)
  await requireSame('model', [model], recipe.sources.model, ([path]) => hashOfModel(path))
  if (calibrate.length > 0) await requireSame('calibration', calibrate, recipe.sources.calibrate, hashOfData)
  if (imatrix !== undefined) await requireSame('imatrix', [imatrix], recipe.sources.imatrix, hashOfData)
  const steps: readonly Step[] = await Promise.all(recipe.steps.map(text => makeStep(text, process.cwd())))
  const { format, type, form, checkpointFormat, dtype, seed, bits, cut, for: target } = recipe
  const written = { format, ...defined({ type, form, checkpointFormat, dtype, imatrix, cut }), out, overwrite }
  const named = { model: recipe.model, steps: recipe.steps, calibrate: learned }
  if (steps.length === 0 && target === undefined) await convertModel(terminal, model, { ...written, named }, hearing)
  else {
    const read = { calibrate, ...defined({ samples, length }), shuffle }
    const chosen = { steps, seed, ...defined({ for: target, bits }), formatIsAsked: true }
    await runCompression(terminal, model, { ...written, ...read, ...chosen, named, ...AS_RECORDED }, hearing)
  }
  const facts = await engineFacts(await startEngine({ ...terminal, quiet: true }))
  const otherFacts = Object.keys({ ...facts, ...recipe.facts }).filter(name => facts[name] !== recipe.facts[name])
  return { out, recipe, different: await differences(path, out), otherFacts }
}
