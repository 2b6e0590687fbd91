/** `npm run distil`: runs the pipeline of tersor.config.ts on the bundled model, saves it, and tells what each of its steps won. */
import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline } from '@tersor/core'
import { perplexity, readDocuments, sizeOfModel, windowsOf } from '@tersor/evaluation'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { selectEngine } from '@tersor/kernels'
import { openModel, type LanguageModel } from '@tersor/models'
import Table from 'cli-table3'
import pc from 'picocolors'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { STEPS } from '../tersor.config.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BUNDLED = join(ROOT, 'examples/bundled-model')
const OUT = join(ROOT, 'out/distilled')
const CALIBRATION_WINDOWS = 128
const VALIDATION_DOCUMENTS = 6
const SEED = 7

const openLanguageModel = async (path: string): Promise<LanguageModel> => {
  const model = await openModel(path)
  if (model.family !== 'language') throw new Error(`${path} is no language model`)
  return model
}

const started = Date.now()
const { engine, reason } = await selectEngine()
console.log(pc.dim(`engine ${engine}: ${reason}`))
const original = await openLanguageModel(join(BUNDLED, 'model'))
const windowsFrom = async (name: string, documents?: number) =>
  windowsOf((await readDocuments(join(BUNDLED, 'text', name))).slice(0, documents), original.tokenizer!, original.contextLength)
const validation = await windowsFrom('validation.txt', VALIDATION_DOCUMENTS)
const learned = (await windowsFrom('calibration.txt')).filter(window => window.length === original.contextLength)
const calibration = learned.slice(0, CALIBRATION_WINDOWS).map(window => tf.tensor2d(Int32Array.from(window), [1, window.length], 'int32'))

const rows: string[][] = []
const measure = async (title: string, model: LanguageModel, seconds?: number): Promise<void> => {
  const { bytes, bitsPerWeight } = sizeOfModel(model)
  const measured = await perplexity(model, validation)
  const numbers = [bytes.toLocaleString('en'), bitsPerWeight.toFixed(2), measured.perplexity.toFixed(2)]
  rows.push([title, ...numbers, seconds === undefined ? '' : `${seconds.toFixed(0)} s`])
}

await measure('original', original)
for (const [index, step] of STEPS.entries()) {
  const isLast = index === STEPS.length - 1
  const from = Date.now()
  const save = { config: original.rawConfig, files: original.files ?? {}, overwrite: true }
  const small = await compress(original, pipeline(...STEPS.slice(0, index + 1)), {
    calibration,
    seed: SEED,
    onProgress: event => {
      if (process.stderr.isTTY && event.type === 'trained')
        process.stderr.write(`\r\u001b[2K${event.pass}: step ${event.step} of ${event.of}, loss ${event.loss.toFixed(3)}`)
    },
    ...(isLast ? { sink: ({ provenance = [] }) => huggingFaceSink(OUT, { ...save, provenance }) } : {}),
  })
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K')
  await measure(`${index === 0 ? '' : '+ '}${step.name}`, small, (Date.now() - from) / 1000)
  if (isLast) await small.params.close?.()
}
tf.dispose(calibration)
await original.close?.()

const head = ['steps', 'bytes', 'bits/weight', 'perplexity', 'time'].map(name => pc.dim(name))
const table = new Table({ head, colAligns: ['left', 'right', 'right', 'right', 'right'], style: { head: [], border: [] } })
table.push(...rows)
console.log(
  `\n${table.toString()}\n\n${pc.dim(`${((Date.now() - started) / 1000).toFixed(0)} s in all; times are of the pipeline up to the step.`)}`,
)
const from = (path: string): string => relative(process.cwd(), path)
console.log(`\n${pc.bold('Run it')}\nnpx tersor generate ${from(OUT)} --prompt 'The old man looked'`)
const config = from(fileURLToPath(new URL('../tersor.config.ts', import.meta.url)))
const flags = `--config ${config} --calibrate ${from(join(BUNDLED, 'text/calibration.txt'))} --seed ${SEED} --out out/from-config`
console.log(`\n${pc.bold('The same pipeline from its file')}\nnpx tersor compress ${from(join(BUNDLED, 'model'))} ${flags}`)
