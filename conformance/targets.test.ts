import { env, pipeline as task } from '@huggingface/transformers'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { openModel, type LanguageModel } from '@tersor/models'
import { main } from 'tersor'
import { withFolder } from './files.js'
import { loadInLlamaCpp } from './llama-cpp.js'
import { perplexity } from './perplexity.js'

const BUNDLED = join(import.meta.dirname, '../examples/bundled-model/model')
const TEXT = join(import.meta.dirname, '../examples/bundled-model/text/calibration.txt')

const tersor = async (...argv: readonly string[]): Promise<void> => {
  const [out, err] = [new PassThrough(), new PassThrough()]
  assert.equal(await main([...argv, '--quiet'], { out, err }), 0, String(err.read()))
}

test('transformers.js loads each file of its folder, and the usual one where nobody says which', () =>
  withFolder(async folder => {
    await tersor('compress', BUNDLED, '--out', join(folder, 'model'), '--for', 'transformers.js')
    Object.assign(env, { allowRemoteModels: false, localModelPath: folder })
    const texts: string[] = []
    for (const dtype of [undefined, 'q4', 'q4f16', 'q8', 'fp16'] as const) {
      const generator = await task('text-generation', 'model', { device: 'cpu', ...(dtype ? { dtype } : {}) })
      const [{ generated_text: text }] = (await generator('The old man', { max_new_tokens: 12, do_sample: false })) as [
        { generated_text: string },
      ]
      console.log(`  ${dtype ?? 'usual'}: ${JSON.stringify(text)}`)
      assert.ok(text.length > 'The old man'.length)
      texts.push(text)
      await generator.dispose()
    }
    assert.equal(texts[0], texts[1])
  }))

test('llama.cpp loads what --for llama.cpp writes, weighed and not, at 4, 8 and 16 bits', () =>
  withFolder(async folder => {
    const model = (await openModel(BUNDLED)) as LanguageModel
    const ids = model.tokenizer!.encode((await readFile(TEXT, 'utf8')).slice(0, 800)).slice(0, 128)
    const measured: Record<string, number> = {}
    for (const [name, ...more] of [
      ['16', '--bits', '16'],
      ['8', '--bits', '8'],
      ['4', '--bits', '4'],
      ['weighed', '--calibrate', TEXT],
    ]) {
      // prettier-ignore
      const path = join(folder, `${name}.gguf`)
      await tersor('compress', BUNDLED, '--out', path, '--for', 'llama.cpp', ...more)
      const runner = await loadInLlamaCpp(path, 160, model.vocabularySize)
      measured[name] = await perplexity(each => runner.logProbabilities(each) as Promise<readonly Float64Array[]>, [ids])
      await runner.close()
    }
    await model.close?.()
    console.log(`  perplexity of ${ids.length} tokens: ${JSON.stringify(measured)}`)
    assert.ok(Math.abs(measured['8'] / measured['16'] - 1) < 0.02)
    assert.ok(Math.abs(measured['4'] / measured['16'] - 1) < 0.15)
    assert.ok(Math.abs(measured.weighed / measured['16'] - 1) < 0.15)
  }))
