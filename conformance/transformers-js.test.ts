import { env, pipeline as task } from '@huggingface/transformers'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { before, test } from 'node:test'
import { selectEngine } from '@tersor/kernels'
import { openModel, type LanguageModel } from '@tersor/models'
import { onnxDecoderSink, type OnnxDecoderOptions } from '@tersor/onnx'
import { main } from 'tersor'
import { withFolder } from './files.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
const PROMPTS = ['The old man', 'In the year', 'She looked at']
const TOKENS = 24

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  our forward pass runs on ${engine}`)
})

/** What a command says on stdout. */
const tersor = async (...argv: readonly string[]): Promise<string> => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const code = await main([...argv, '--quiet'], { out, err })
  assert.equal(code, 0, String(err.read()))
  return String(out.read())
}

/** Greedy text of `tersor generate` as a user gets it, without further options. */
const ours = async (folder: string): Promise<readonly string[]> => {
  const texts: string[] = []
  for (const prompt of PROMPTS) {
    const said = await tersor('generate', folder, '--prompt', prompt, '--tokens', String(TOKENS), '--json')
    texts.push((JSON.parse(said) as { text: string }).text)
  }
  return texts
}

/** Greedy text of a folder, offline, as a user of transformers.js asks for it. */
const theirs = async (folder: string, name: string, dtype: 'fp32' | 'q4' | 'q8', session_options = {}): Promise<readonly string[]> => {
  Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
  const generator = await task('text-generation', name, { dtype, device: 'cpu', session_options })
  const texts: string[] = []
  for (const prompt of PROMPTS) {
    const options = { max_new_tokens: TOKENS, do_sample: false, return_full_text: false }
    const [{ generated_text: text }] = (await generator(prompt, options)) as [{ generated_text: string }]
    texts.push(text)
  }
  await generator.dispose()
  return texts
}

for (const { dtype, bits } of [
  { dtype: 'fp32', bits: undefined },
  { dtype: 'q4', bits: 4 },
  { dtype: 'q8', bits: 8 },
] as const) {
  test(`transformers.js generates the greedy text of tersor generate: ${dtype}`, () =>
    withFolder(async folder => {
      const [own, web] = [join(folder, 'own'), join(folder, 'web')]
      const step = bits === undefined ? ['convert', BUNDLED] : ['compress', BUNDLED, '--step', `rtn(bits=${bits}, group=32)`]
      await tersor(...step, '--out', own)
      await tersor(...step, '--out', web, '--format', 'onnx')
      const expected = await ours(own)
      assert.deepEqual(await theirs(folder, 'web', dtype), expected)
      console.log(`  ${JSON.stringify(expected[0])}`)
    }))
}

const save = async (path: string, { params, rawConfig, files }: LanguageModel, options: OnnxDecoderOptions): Promise<void> => {
  const sink = onnxDecoderSink(path, { rawConfig, ...(files ? { files } : {}) }, options)
  for (const name of params.names()) await sink.write(name, await params.read(name))
  await (await sink.finish()).close?.()
}

interface Form {
  readonly dtype: 'fp32' | 'q4'
  readonly step: readonly string[]
  readonly options: OnnxDecoderOptions
  readonly session: object
}

const quantize = ['compress', BUNDLED, '--step', 'rtn(bits=4, group=32)']
const FORMS: readonly Form[] = [
  { dtype: 'fp32', step: ['convert', BUNDLED], options: { external: true }, session: {} },
  // by default ONNX Runtime turns DequantizeLinear and MatMul into a product that rounds activations to 8 bits
  { dtype: 'q4', step: quantize, options: { form: 'QDQ' }, session: { graphOptimizationLevel: 'basic' } },
]
for (const { dtype, step, options, session } of FORMS) {
  test(`transformers.js generates it from other forms of the file: ${dtype} ${JSON.stringify(options)}`, () =>
    withFolder(async folder => {
      const own = join(folder, 'own')
      await tersor(...step, '--out', own)
      const model = (await openModel(own)) as LanguageModel
      await save(join(folder, 'web'), model, options)
      await model.close?.()
      assert.deepEqual(await theirs(folder, 'web', dtype, session), await ours(own))
    }))
}
