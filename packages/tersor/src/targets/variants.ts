import { compress, pipeline, type Batches, type ProgressEvent, type Step } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { fileSource, readSmallFile } from '@tersor/formats/internal/files/byte-source'
import { within, writeFile, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { MAX_CONFIG_BYTES } from '@tersor/formats/huggingface'
import { isRecord, type Json } from '@tersor/formats/internal/files/json-text'
import type { OpenSink } from '@tersor/models/internal/formats/format'
import type { FormatFlags } from '../format-flags.js'
import { bytesText } from '../output.js'
import { asItIs } from './as-it-is.js'
import type { Variant } from './target.js'

/** How steps and sinks are made, and where: in Node, or in a page. */
export interface VariantTools {
  readonly fs: FileSystem
  makeStep(text: string): Promise<Step>
  sinkOf(flags: FormatFlags): Promise<OpenSink>
}

/** What variants are made from, and where the first file stands. */
export interface VariantRun extends VariantTools {
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

const configOf = async (fs: FileSystem, folder: string): Promise<Json> =>
  JSON.parse(new TextDecoder().decode(await readSmallFile(within(folder, CONFIG), MAX_CONFIG_BYTES, fs))) as Json

const settingsOf = async (fs: FileSystem, folder: string): Promise<Json> => {
  const config = await configOf(fs, folder)
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
const replace = async (fs: FileSystem, path: string, text: string): Promise<void> => {
  await writeFile(fs, `${path}.partial`, new TextEncoder().encode(text))
  await fs.rename(`${path}.partial`, path)
}

/** Makes one more file in a folder of its own, moves it into that of the result and gives what its config says. */
const addVariant = async ({ model, out, calibration, fs, ...run }: VariantRun, variant: Variant): Promise<Json> => {
  const folder = `${out}.partial-${variant.name}`
  await fs.rm(folder, { recursive: true, force: true })
  try {
    const steps = await Promise.all(variant.steps.map(step => run.makeStep(step)))
    const open = await run.sinkOf({ ...variant.options, format: 'onnx' })
    const small = await compress(model, steps.length > 0 ? pipeline(...steps) : asItIs, {
      ...{ seed: run.seed, signal: run.signal, onProgress: run.onProgress, calibration },
      sink: made => open(folder, made, { provenance: made.provenance ?? [], fileSystem: fs }),
    })
    await small.params.close?.()
    const graphs = within(folder, GRAPHS)
    for (const name of await fs.readdir(graphs)) await fs.rename(within(graphs, name), within(within(out, GRAPHS), name))
    return await settingsOf(fs, folder)
  } finally {
    await fs.rm(folder, { recursive: true, force: true })
  }
}

/**
 * Adds a file for each variant to the folder of a result, and says in its config.json which one is taken where nobody asks for another: the
 * first, and on graphics processors that with halves. Gives a line about each file.
 */
const addVariants = async (run: VariantRun & { readonly fileName: string }): Promise<readonly string[]> => {
  const { out, variants, fileName, fs } = run
  let settings: Json = {}
  for (const variant of variants) settings = joined(settings, await addVariant(run, variant))
  const config = await configOf(fs, out)
  const halves = variants.find(({ name }) => name === `${fileName}f16`)
  const chosen = { dtype: fileName, ...(halves ? { device_config: { webgpu: { dtype: halves.name } } } : {}) }
  const own = isRecord(config[SETTINGS]) ? config[SETTINGS] : {}
  await replace(fs, within(out, CONFIG), `${JSON.stringify({ ...config, [SETTINGS]: joined(joined(own, settings), chosen) }, null, 2)}\n`)
  const files = (await fs.readdir(within(out, GRAPHS))).sort()
  return Promise.all(files.map(async name => `${GRAPHS}/${name}  ${bytesText(await sizeOfFile(fs, within(out, `${GRAPHS}/${name}`)))}`))
}

const sizeOfFile = async (fs: FileSystem, path: string): Promise<number> => {
  const { size, close } = await fileSource(path, fs)
  await close()
  return size
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
