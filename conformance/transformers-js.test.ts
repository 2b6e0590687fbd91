import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { env, pipeline as task } from '@huggingface/transformers'
import { compress, pipeline } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { generate, onnxDecoderSink, openModel, type LanguageModel, type OnnxDecoderOptions } from '@tersor/models'
import { rtn } from '@tersor/quantization'
import { withFolder } from './files.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
const PROMPTS = ['The old man', 'In the year', 'She looked at']
const TOKENS = 24

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  our forward pass runs on ${engine}`)
})

const save = async (path: string, { params, rawConfig, files }: LanguageModel, options: OnnxDecoderOptions): Promise<void> => {
  const sink = onnxDecoderSink(path, { rawConfig, ...(files ? { files } : {}) }, options)
  for (const name of params.names()) await sink.write(name, await params.read(name))
  await (await sink.finish()).close?.()
}

const ours = async (model: LanguageModel, prompt: string): Promise<string> => {
  let text = ''
  for await (const { text: piece } of generate(model, { prompt, tokens: TOKENS, form: 'dense' })) text += piece
  return text
}

/** Greedy text of a folder, offline, as a user of transformers.js asks for it. */
const theirs = async (folder: string, name: string, dtype: 'fp32' | 'q4' | 'q8' | 'fp16'): Promise<readonly string[]> => {
  Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
  // by default ONNX Runtime turns DequantizeLinear and MatMul into a product that rounds activations to 8 bits
  const session_options = { graphOptimizationLevel: 'basic' }
  const generator = await task('text-generation', name, { dtype, device: 'cpu', session_options })
  const texts: string[] = []
  for (const prompt of PROMPTS) {
    // the tokenizer's own template begins a text with <|endoftext|>; the task leaves templates out unless asked
    const options = { max_new_tokens: TOKENS, do_sample: false, return_full_text: false, add_special_tokens: true }
    const [{ generated_text: text }] = (await generator(prompt, options)) as [{ generated_text: string }]
    texts.push(text)
  }
  await generator.dispose()
  return texts
}

const FORMS = [
  { dtype: 'fp32', bits: undefined, options: {} },
  { dtype: 'fp32', bits: undefined, options: { external: true } },
  { dtype: 'q4', bits: 4, options: {} },
  { dtype: 'q4', bits: 4, options: { form: 'QDQ' } },
  { dtype: 'q8', bits: 8, options: {} },
] as const

for (const { dtype, bits, options } of FORMS) {
  test(`transformers.js generates our greedy text: ${dtype} ${JSON.stringify(options)}`, () =>
    withFolder(async folder => {
      const opened = (await openModel(BUNDLED)) as LanguageModel
      const model = bits === undefined ? opened : await compress(opened, pipeline(rtn({ bits, group: 32 })))
      await save(join(folder, 'bundled'), model, options)
      const expected = []
      for (const prompt of PROMPTS) expected.push(await ours(model, prompt))
      assert.deepEqual(await theirs(folder, 'bundled', dtype), expected)
      console.log(`  ${JSON.stringify(expected[0])}`)
      await opened.close?.()
    }))
}
