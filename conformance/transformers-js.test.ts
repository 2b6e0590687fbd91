import { AutoModelForCausalLM, DynamicCache, env, pipeline as task, Tensor } from '@huggingface/transformers'
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { before, test } from 'node:test'
import { selectEngine } from '@tersor/kernels'
import { snapKv, streamingLlm } from '@tersor/kv-cache'
import { fromDynamicCache, generate, openModel, openSession, toDynamicCache, type LanguageModel } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
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

const LONG = 'The old man looked at the sea and thought of the years that had gone by since he had first come to the island'
const PLANS = {
  everything: [],
  'what a policy left': [snapKv({ keep: 14, recent: 6 })],
  'a window without end': [streamingLlm({ sinks: 2, window: 14, slack: 2, positions: 'compact' as const })],
}
/** Few enough that no plan lets go while they come. */
const NEW = 2

for (const [what, cache] of Object.entries(PLANS)) {
  test(`transformers.js goes on from a session that was handed over, and its cache comes back: ${what}`, () =>
    withFolder(async folder => {
      await tersor('convert', BUNDLED, '--out', join(folder, 'web'), '--format', 'onnx')
      const graph = (await openModel(join(folder, 'web'))) as TextGraph
      const session = await openSession(graph, { cache })
      await session.append(graph.text.tokenizer.encode(LONG))
      const handed = await toDynamicCache(session, { Tensor, DynamicCache })
      // what is left stands at other positions now, there and here
      const here = await fromDynamicCache(graph, await toDynamicCache(session, { Tensor, DynamicCache }).then(({ past_key_values }) => past_key_values), session.ids) // prettier-ignore
      const next = graph.text.tokenizer.encode(' and')
      const expected: number[] = []
      for await (const { id } of generate(graph, { prompt: next, tokens: NEW, session: here })) expected.push(id)
      Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
      const model = await AutoModelForCausalLM.from_pretrained('web', { dtype: 'fp32', device: 'cpu' })
      const result = (await model.generate({
        input_ids: new Tensor('int64', BigInt64Array.from(next, BigInt), [1, next.length]),
        attention_mask: handed.attention_mask(next.length),
        past_key_values: handed.past_key_values,
        max_new_tokens: NEW,
        do_sample: false,
        return_dict_in_generate: true,
      } as never)) as unknown as { readonly sequences: Tensor; readonly past_key_values: object }
      const ids = [...(result.sequences.data as BigInt64Array)].map(Number)
      assert.deepEqual(ids, [...next, ...expected])
      // all but the last went through its network
      const back = await fromDynamicCache(graph, result.past_key_values, [...session.ids, ...ids.slice(0, -1)])
      assert.equal(here.rewind(here.ids.length - 1), true) // the last token, which generate reads here
      const last = [expected[NEW - 1]]
      const [there, own] = [await back.append(last), await here.append(last)]
      const apart = there.reduce((most, value, i) => Math.max(most, Math.abs(value - own[i])), 0)
      assert.ok(apart < 1e-3, `logits are ${apart} apart`)
      console.log(`  ${handed.length} entries of ${session.ids.length} tokens, then ${JSON.stringify(graph.text.tokenizer.decode(ids))}`)
      for (const each of [back, here, session]) each.dispose()
      await model.dispose()
      await graph.close?.()
    }))
}
