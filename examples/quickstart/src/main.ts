/** `npm start`: compresses the bundled model with GPTQ alone, and with SparseGPT 2:4, GPTQ and EoRA, then compares. */
import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, pack, pipeline, type Pass } from '@tersor/core'
import { perplexity, readDocuments, sizeOfModel, tokensPerSecond, windowsOf } from '@tersor/evaluation'
import { ggufSink } from '@tersor/formats/gguf'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { selectEngine } from '@tersor/kernels'
import { eora } from '@tersor/low-rank'
import { generate, openModel, type LanguageModel } from '@tersor/models'
import { sparseGpt } from '@tersor/pruning'
import { gptq } from '@tersor/quantization'
import pc from 'picocolors'
import { stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { progressLine, resultTable, type Row } from './show.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BUNDLED = join(ROOT, 'examples/bundled-model')
const OUT = join(ROOT, 'out')
const CALIBRATION_WINDOWS = 64
const VALIDATION_DOCUMENTS = 6
const PROMPT = 'The old man looked'
const SEED = 7

const quantized = gptq({ bits: 4, group: 32 })

/** What is compared: a name, where it is saved, and the steps; each is a pipeline you could write yourself. */
const RECIPES: readonly (readonly [title: string, folder: string, steps: Pass])[] = [
  ['GPTQ 4-bit', 'gptq', pipeline(quantized)],
  ['SparseGPT 2:4, GPTQ 4-bit, EoRA', 'sparse-gptq-eora', pipeline(sparseGpt({ pattern: '2:4' }), quantized, eora({ rank: 8 }))],
]

const { engine, reason } = await selectEngine()
console.log(pc.dim(`engine ${engine}: ${reason}`))

const openLanguageModel = async (path: string): Promise<LanguageModel> => {
  const model = await openModel(path)
  if (model.family !== 'language') throw new Error(`${path} is no language model`)
  return model
}

const original = await openLanguageModel(join(BUNDLED, 'model'))
const tokenizer = original.tokenizer!
const windowsFrom = async (name: string, documents: number) =>
  windowsOf((await readDocuments(join(BUNDLED, 'text', name))).slice(0, documents), tokenizer, original.contextLength)
const learned = (await windowsFrom('calibration.txt', Infinity))
  .filter(window => window.length === original.contextLength)
  .slice(0, CALIBRATION_WINDOWS)
const calibration = learned.map(window => tf.tensor2d(Int32Array.from(window), [1, window.length], 'int32'))
const validation = await windowsFrom('validation.txt', VALIDATION_DOCUMENTS)

/** One row of the table and a sample of what the model writes. */
const measure = async (title: string, model: LanguageModel): Promise<Row> => {
  const { bytes, parameters } = sizeOfModel(model)
  const measured = await perplexity(model, validation)
  const pieces: string[] = []
  const options = { prompt: PROMPT, tokens: 48, temperature: 0.7, rng: createRng(SEED) }
  const stream = async function* () {
    for await (const piece of generate(model, options)) {
      pieces.push(piece.text)
      yield piece
    }
  }
  const speed = await tokensPerSecond(stream())
  return {
    title,
    bytes,
    bitsPerWeight: (8 * bytes) / parameters,
    perplexity: measured.perplexity,
    tokensPerSecond: speed.tokensPerSecond,
    sample: PROMPT + pieces.join(''),
  }
}

const rows: Row[] = [await measure('original, bf16', original)]
const commands: string[] = []
const files: (readonly [title: string, bytes: number])[] = []
for (const [title, folder, steps] of RECIPES) {
  const progress = progressLine(title)
  const options = { calibration, seed: SEED, onProgress: progress.onProgress }
  const small = await compress(original, steps, options)
  const target = join(OUT, folder)
  const save = { config: original.rawConfig, files: original.files ?? {}, overwrite: true }
  const packed = await compress(small, pack(), { sink: ({ provenance = [] }) => huggingFaceSink(target, { ...save, provenance }) })
  await packed.params.close?.()
  const file = ggufSink(`${target}.gguf`, { ...save, provenance: small.provenance ?? [] })
  for (const name of small.params.names()) await file.write(name, await small.params.read(name))
  await (await file.finish()).close?.()
  progress.stop()
  files.push([`${title}, GGUF`, (await stat(`${target}.gguf`)).size])
  const saved = await openLanguageModel(target)
  rows.push(await measure(title, saved))
  await saved.close?.()
  const shown = relative(process.cwd(), target)
  commands.push(`npx tersor generate ${shown} --prompt '${PROMPT}'`, `llama-cli -m ${shown}.gguf -p '${PROMPT}'`)
}
tf.dispose(calibration)
await original.close?.()

console.log(`\n${resultTable(rows)}\n`)
for (const { title, sample } of rows) console.log(`${pc.bold(title)}\n${sample.trim()}\n`)
const source = rows[0].bytes
const larger = files.filter(([, bytes]) => bytes >= source)
console.log(`${pc.bold('For llama.cpp')}\n${files.map(([title, bytes]) => `${title}: ${bytes.toLocaleString('en')} bytes`).join('\n')}`)
if (larger.length > 0)
  console.log(pc.yellow(`Not smaller than the original: GGUF has no form for masks and sums of factors, and holds them as plain numbers.`))
console.log(`\n${pc.bold('Run them')}\n${commands.join('\n')}`)
