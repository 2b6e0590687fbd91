import { compress, pipeline, type Batches, type ProgressEvent } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRecord, type Json } from '@tersor/formats/internal/files/json-text'
import { makeStep } from '../methods.js'
import { bytesText } from '../output.js'
import { sinkOf } from '../writer-of.js'
import { asItIs } from './as-it-is.js'
import type { Variant } from './target.js'

/** What variants are made from, and where the first file stands. */
export interface VariantRun {
  readonly model: OpenedModel
  readonly out: string
  readonly variants: readonly Variant[]
  /** What the runtime calls the first file; where absent there is one file, and nothing is to be said of it. */
  readonly fileName?: string
  readonly calibration: Batches
  readonly seed: number
  readonly signal: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
}

const GRAPHS = 'onnx'
const CONFIG = 'config.json'
const SETTINGS = 'transformers.js_config'

const settingsOf = async (folder: string): Promise<Json> => {
  const config = JSON.parse(await readFile(join(folder, CONFIG), 'utf8')) as Json
  return isRecord(config[SETTINGS]) ? config[SETTINGS] : {}
}

/** Objects within objects joined, the later ones first. */
const joined = (a: Json, b: Json): Json =>
  Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])].map(key => {
      const [first, second] = [a[key], b[key]]
      return [key, isRecord(first) && isRecord(second) ? joined(first, second) : (second ?? first)]
    }),
  )

/** Writes a file beside its place and renames it, so that nobody reads half of it. */
const replace = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.partial`, text)
  await rename(`${path}.partial`, path)
}

/** Makes one more file in a folder of its own, moves it into that of the result and gives what its config says. */
const addVariant = async ({ model, out, calibration, ...run }: VariantRun, variant: Variant): Promise<Json> => {
  const folder = `${out}.partial-${variant.name}`
  await rm(folder, { recursive: true, force: true })
  try {
    const steps = await Promise.all(variant.steps.map(step => makeStep(step, process.cwd())))
    const open = await sinkOf({ ...variant.options, format: 'onnx' })
    const small = await compress(model, steps.length > 0 ? pipeline(...steps) : asItIs, {
      ...{ seed: run.seed, signal: run.signal, onProgress: run.onProgress, calibration },
      sink: made => open(folder, made, { provenance: made.provenance ?? [] }),
    })
    await small.params.close?.()
    for (const name of await readdir(join(folder, GRAPHS))) await rename(join(folder, GRAPHS, name), join(out, GRAPHS, name))
    return await settingsOf(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Adds a file for each variant to the folder of a result, and says in its config.json which one is taken where nobody asks for another: the
 * first, and on graphics processors that with halves. Gives a line about each file.
 */
const addVariants = async (run: VariantRun & { readonly fileName: string }): Promise<readonly string[]> => {
  const { out, variants, fileName } = run
  let settings: Json = {}
  for (const variant of variants) settings = joined(settings, await addVariant(run, variant))
  const path = join(out, CONFIG)
  const config = JSON.parse(await readFile(path, 'utf8')) as Json
  const halves = variants.find(({ name }) => name === `${fileName}f16`)
  const chosen = { dtype: fileName, ...(halves ? { device_config: { webgpu: { dtype: halves.name } } } : {}) }
  const own = isRecord(config[SETTINGS]) ? config[SETTINGS] : {}
  await replace(path, `${JSON.stringify({ ...config, [SETTINGS]: joined(joined(own, settings), chosen) }, null, 2)}\n`)
  const files = (await readdir(join(out, GRAPHS))).sort()
  return Promise.all(files.map(async name => `${GRAPHS}/${name}  ${bytesText((await stat(join(out, GRAPHS, name))).size)}`))
}

interface Saved {
  readonly notes: readonly string[]
  close(): Promise<void>
}

/** A result with the files that a target wants beside it. */
export const withVariants = async <R extends Saved>(saved: R, run: VariantRun): Promise<R> => {
  const { fileName, model } = run
  if (fileName === undefined || model.family === 'graph') return saved
  try {
    return { ...saved, notes: [...saved.notes, ...(await addVariants({ ...run, fileName }))] }
  } catch (error) {
    await saved.close()
    throw error
  }
}
