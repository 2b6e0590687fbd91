import { AutoModelForCausalLM, env, pipeline as task, Tensor } from '@huggingface/transformers'
import * as tf from '@tensorflow/tfjs-core'
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { before, test } from 'node:test'
import { forward, loadModel, shrink } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { openModel, picoLlama, type LanguageModel } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import { onnxDecoderSink } from '@tersor/onnx'
import { main } from 'tersor'
import { withFolder } from './files.js'
import { loadInLlamaCpp } from './llama-cpp.js'
import { furthest, logSoftmax, ours } from './perplexity.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
const TEXT = join(import.meta.dirname, '../examples/bundled-model/text/calibration.txt')
const SAID = 'The old man looked at the sea and thought of the years that had gone by'

before(async () => void (await selectEngine()))

const tersor = async (...argv: readonly string[]): Promise<string> => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  const code = await main([...argv, '--quiet'], { out, err })
  assert.equal(code, 0, String(err.read()))
  return String(out.read())
}

/** Rows of log-probabilities as transformers.js gives them, offline. */
const inTransformersJs = async (folder: string, name: string, ids: readonly number[]): Promise<readonly Float64Array[]> => {
  Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
  const model = await AutoModelForCausalLM.from_pretrained(name, { dtype: 'fp32', device: 'cpu' })
  const input = (numbers: readonly number[]) => new Tensor('int64', BigInt64Array.from(numbers, BigInt), [1, numbers.length])
  const { logits } = (await model({ input_ids: input(ids), attention_mask: input(ids.map(() => 1)) })) as { readonly logits: Tensor }
  const [values, width] = [logits.data as Float32Array, logits.dims[2]]
  await model.dispose()
  return ids.map((_, i) => logSoftmax(values.subarray(i * width, (i + 1) * width)))
}

/** What goes in every block alike, so that a config can say it in one number. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  'neurons and key heads by their weights': ['--step', 'structured(keep=0.5, units=[neurons, heads])'],
  'query heads and neurons by Minitron, and a quarter of the stream': [
    ...['--step', 'minitron(stream=0.75, neurons=0.75, queries=0.5)', '--calibrate', TEXT, '--samples', '16'],
  ],
  'a quarter of the stream by SliceGPT, which leaves head and embedding apart': [
    ...['--step', 'slice-gpt(keep=0.75, multiple=16)', '--calibrate', TEXT, '--samples', '16'],
  ],
}

for (const [what, step] of Object.entries(STEPS))
  test(`a network that lost ${what} opens in transformers.js and llama.cpp with our logits`, () =>
    withFolder(async folder => {
      const [own, web, gguf] = [join(folder, 'own'), join(folder, 'web'), join(folder, 'small.gguf')]
      await tersor('compress', BUNDLED, ...step, '--out', own)
      await tersor('convert', own, '--out', web, '--format', 'onnx')
      await tersor('convert', own, '--out', gguf, '--format', 'gguf', '--type', 'F32')
      const model = (await openModel(own)) as LanguageModel
      const ids = model.tokenizer!.encode(SAID)
      const expected = await (await ours(model))(ids)
      const { rawConfig, vocabularySize } = model
      await model.close?.()
      assert.deepEqual(Object.values(rawConfig).filter(Array.isArray), [rawConfig.architectures], 'a number serves all blocks')
      const there = furthest(await inTransformersJs(folder, 'web', ids), expected)
      const runner = await loadInLlamaCpp(gguf, 64, vocabularySize)
      const cpp = furthest(await runner.logProbabilities(ids), expected)
      await runner.close()
      console.log(`  ${ids.length} tokens: transformers.js off by ${there.toExponential(1)}, llama.cpp by ${cpp.toExponential(1)}`)
      assert.deepEqual(await readdir(join(web, 'onnx')), ['model.onnx'])
      assert.ok(there < 1e-3, `log-probabilities are off by ${there} in transformers.js`)
      assert.ok(cpp < 0.03, `log-probabilities are off by ${cpp} in llama.cpp`)
    }))

/** What goes of a graph that is in a folder already, and what of it the config says. */
const GRAPH_STEPS: Readonly<Record<string, readonly [step: string, told: Readonly<Record<string, number>>]>> = {
  'key heads and neurons': [
    'structured(keep=0.5, units=[heads, neurons])',
    { num_attention_heads: 2, num_key_value_heads: 1, head_dim: 64, intermediate_size: 256, hidden_size: 256 },
  ],
  'query heads': ['structured(keep=0.5, units=[queries])', { num_attention_heads: 2, num_key_value_heads: 2, head_dim: 64 }],
  'channels of the stream': ['structured(keep=0.75, units=[stream])', { num_attention_heads: 4, head_dim: 64, hidden_size: 192 }],
}

for (const [what, [step, told]] of Object.entries(GRAPH_STEPS))
  test(`an ONNX decoder that lost ${what} opens in transformers.js with our logits, and says what it generates`, () =>
    withFolder(async folder => {
      const [web, small] = [join(folder, 'web'), join(folder, 'small')]
      await tersor('convert', BUNDLED, '--out', web, '--format', 'onnx')
      await tersor('compress', web, '--out', small, '--step', step)
      const graph = (await openModel(small)) as TextGraph
      const config = JSON.parse(await readFile(join(small, 'config.json'), 'utf8')) as Readonly<Record<string, unknown>>
      assert.deepEqual(Object.fromEntries(Object.keys(told).map(key => [key, config[key]])), told)
      const ids = graph.text.tokenizer.encode(SAID)
      const { weights, dispose } = await loadModel(graph)
      const input = tf.tensor2d([...ids], [1, ids.length], 'int32')
      const logits = forward(graph, input, { weights })
      const values = await logits.data<'float32'>()
      tf.dispose([input, logits])
      dispose()
      const width = values.length / ids.length
      const expected = ids.map((_, i) => logSoftmax(values.subarray(i * width, (i + 1) * width)))
      const off = furthest(await inTransformersJs(folder, 'small', ids), expected)
      const said = await tersor('generate', small, '--prompt', SAID, '--tokens', '8', '--json')
      const { text } = JSON.parse(said) as { readonly text: string }
      const generator = await task('text-generation', 'small', { dtype: 'fp32', device: 'cpu' })
      const options = { max_new_tokens: 8, do_sample: false, return_full_text: false }
      const [{ generated_text: theirs }] = (await generator(SAID, options)) as [{ generated_text: string }]
      await generator.dispose()
      await graph.close?.()
      console.log(`  off by ${off.toExponential(1)}: ${JSON.stringify(theirs)}`)
      assert.ok(off < 1e-4, `log-probabilities are off by ${off}`)
      assert.equal(text, theirs)
    }))

/** What differs from block to block, in the two ways that attention is written. */
for (const attention of ['plain', 'fused'] as const)
  test(`an ONNX decoder whose key heads differ from block to block opens in transformers.js with our logits: ${attention} attention`, () =>
    withFolder(async folder => {
      const large = picoLlama({ layers: 2, hidden: 64 })
      const small = await shrink(large, { keep: new Map([['model.layers.0.self_attn.heads', [1]]]) })
      const sink = onnxDecoderSink(join(folder, 'web'), small, { attention })
      for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
      await (await sink.finish()).close?.()
      const ids = [1, 2, 3, 56, 253, 18]
      const off = furthest(await inTransformersJs(folder, 'web', ids), await (await ours(small))(ids))
      console.log(`  off by ${off.toExponential(1)}`)
      assert.ok(off < 1e-4, `log-probabilities are off by ${off}`)
    }))
