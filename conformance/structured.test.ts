import { AutoModelForCausalLM, env, Tensor } from '@huggingface/transformers'
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { before, test } from 'node:test'
import { selectEngine } from '@tersor/kernels'
import { openModel, type LanguageModel } from '@tersor/models'
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
