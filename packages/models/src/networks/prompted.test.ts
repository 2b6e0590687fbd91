import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, prompted, PROMPT, withPrompt, type Model } from '@tersor/core'
import { hadamard } from '@tersor/quantization'
import { useEngine } from '@tersor/testing'
import { selectEngine } from '@tersor/kernels'
import { fromFloat32, memorySink, type Dense } from '@tersor/tensor'
import { generate } from '../generation/generate.js'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'
import type { LanguageModel } from './language-model.js'

useEngine()

const WORDS = [5, 9, 17]
const TEXT = [1, 2, 3, 40]
const networkOf = (kind: string) => freshModel(FRESH_CONFIGS[kind], { seed: 3, deviation: 0.3 }) as LanguageModel

/** What stands behind the embedding where a text begins with these words. */
const promptOf = async (model: Model, words: readonly number[]): Promise<Dense> => {
  const { weights, dispose } = await loadModel(model)
  const ids = tf.tensor2d([...words], [1, words.length], 'int32')
  const rows = tf.tidy(() => tf.squeeze(model.stages[0].run(ids, { weights }), [0]))
  const values = await rows.data<'float32'>()
  tf.dispose([ids, rows])
  dispose()
  return fromFloat32(values, 'f32', [words.length, values.length / words.length])
}

/** The logits behind the last tokens of some texts. */
const logitsOf = async (model: Model, texts: readonly (readonly number[])[], last: number): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const ids = tf.tensor2d(texts.map(text => [...text]), undefined, 'int32') // prettier-ignore
  const output = tf.tidy(() => {
    const logits = forward(model, ids, { weights })
    return tf.slice(logits, [0, logits.shape[1]! - last, 0], [-1, last, -1])
  })
  const values = [...(await output.data())]
  tf.dispose([ids, output])
  dispose()
  return values
}

describe.each(['llama', 'mistral', 'gemma2', 'gpt2', 'smollm3'])('a prompt before %s', kind => {
  const model = networkOf(kind)

  it('is as good as the words whose vectors it has', async () => {
    const given = withPrompt(model, await promptOf(model, WORDS))
    const other = [...TEXT].reverse()
    const expected = await logitsOf(model, [[...WORDS, ...TEXT], [...WORDS, ...other]], TEXT.length) // prettier-ignore
    const got = await logitsOf(given, [TEXT, other], TEXT.length)
    expect(got).toHaveLength(expected.length)
    got.forEach((logit, i) => expect(logit).toBeCloseTo(expected[i], 3))
    expect(given.contextLength).toBe(model.contextLength - WORDS.length)
  })

  it('is remembered while a text is generated', async () => {
    const continued = async (from: LanguageModel, prompt: readonly number[]): Promise<number[]> => {
      const ids: number[] = []
      for await (const { id } of generate(from, { prompt, tokens: 6 })) ids.push(id)
      return ids
    }
    const given = withPrompt(model, await promptOf(model, WORDS))
    for (const text of [TEXT, [7]]) {
      expect(await continued(given, text)).toEqual(await continued(model, [...WORDS, ...text]))
    }
  })
})

it('generates alike where steps are recorded', async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  const model = networkOf('llama')
  const given = withPrompt(model, await promptOf(model, WORDS))
  const take = async (from: LanguageModel, prompt: readonly number[]) => {
    const ids: number[] = []
    for await (const { id } of generate(from, { prompt, tokens: 10 })) ids.push(id)
    return ids
  }
  expect(await take(given, TEXT)).toEqual(await take(model, [...WORDS, ...TEXT]))
  await tf.setBackend('cpu')
})

it('turns with the stream when that is turned', async () => {
  const model = networkOf('llama')
  const given = withPrompt(model, await promptOf(model, WORDS))
  const turned = await compress<Model>(given, hadamard(), { seed: 4, sink: () => memorySink() })
  expect(await turned.params.read(PROMPT)).not.toEqual(await given.params.read(PROMPT))
  const [expected, got] = [await logitsOf(given, [TEXT], 4), await logitsOf(turned, [TEXT], 4)]
  got.forEach((logit, i) => expect(logit).toBeCloseTo(expected[i], 2))
})

it('stands once, and only where a language model has room for it', async () => {
  const model = networkOf('llama')
  const given = withPrompt(model, await promptOf(model, WORDS))
  expect(prompted(given)).toBe(given)
  expect(prompted(model)).toBe(model)
  expect(given.with!(given.params).stages.map(({ name }) => name)).toEqual(given.stages.map(({ name }) => name))
  expect(() => withPrompt(model, fromFloat32(new Float32Array(8), 'f32', [2, 4]))).toThrow(
    'The prompt is [2, 4], and the embedding of the network is 32 wide.\nTake a prompt that was learned for a network with the same embedding.',
  )
  for (const kind of ['bert for masked tokens', 'vit'])
    expect(() => withPrompt(freshModel(FRESH_CONFIGS[kind]), fromFloat32(new Float32Array(64), 'f32', [2, 32]))).toThrow(
      'A prompt of vectors stands between the embedding of a language model and its blocks, and this network has no such place.',
    )
})
