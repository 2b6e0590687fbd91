import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng, forward, loadModel } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import { byteTokenizer } from './byte-tokenizer.js'
import { detokenizer } from './detokenize.js'
import { generate, type GenerateOptions } from './generate.js'
import { llamaModel } from '../networks/llama.js'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { greedy, sample } from './sampling.js'
import { describeData, readJson, readTensors } from '../shared-data.fixture.js'
import { openTokenizer } from './tokenizer.js'

const collect = async <T>(stream: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of stream) all.push(item)
  return all
}

const idsFrom = async (model: LanguageModel, options: GenerateOptions): Promise<number[]> =>
  (await collect(generate(model, options))).map(({ id }) => id)

const textFrom = async (model: LanguageModel, options: GenerateOptions): Promise<string> =>
  (await collect(generate(model, options))).map(({ text }) => text).join('')

/** The same by whole passes, without a cache. */
const slowly = async (model: LanguageModel, prompt: readonly number[], tokens: number): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const ids = [...prompt]
  for (let i = 0; i < tokens; i++) {
    const logits = tf.tidy(() => {
      const all = forward(model, tf.tensor2d([ids], [1, ids.length], 'int32'), { weights })
      return tf.reshape(tf.slice(all, [0, ids.length - 1, 0], [1, 1, model.vocabularySize]), [-1])
    })
    ids.push(greedy(await logits.data()))
    logits.dispose()
  }
  dispose()
  return ids.slice(prompt.length)
}

const refusal = async (model: LanguageModel, options: GenerateOptions) => {
  const error = (await collect(generate(model, options)).catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.split('\n')]
}

describe('generate', () => {
  const model = picoLlama({ vocabulary: 40, seed: 3 })
  let before = 0
  beforeEach(() => (before = tf.memory().numTensors))
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  it('takes the likeliest token each time, as whole passes would', async () => {
    const prompt = [5, 17, 2, 9]
    expect(await idsFrom(model, { prompt, tokens: 9 })).toEqual(await slowly(model, prompt, 9))
  })

  it('draws the same tokens from the same seed', async () => {
    const draw = (seed: number) => idsFrom(model, { prompt: [1], tokens: 10, temperature: 1, rng: createRng(seed) })
    expect(await draw(4)).toEqual(await draw(4))
    expect(await draw(4)).not.toEqual(await draw(5))
  })

  it('stops at the end of the context', async () => {
    const short = picoLlama({ vocabulary: 40, context: 10 })
    expect(await idsFrom(short, { prompt: [1, 2, 3] })).toHaveLength(7)
  })

  it('stops before a token that ends a text', async () => {
    const [first, second, third] = await idsFrom(model, { prompt: [5, 17], tokens: 3 })
    const ending = llamaModel({ ...model.rawConfig, eos_token_id: [third] }, model.params)
    expect(await idsFrom(ending, { prompt: [5, 17], tokens: 9 })).toEqual([first, second].filter(id => id !== third))
  })

  it('stops when it is told to, with the reason given', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const run = async () => {
      for await (const _ of generate(model, { prompt: [1], tokens: 9, signal: controller.signal })) controller.abort(reason)
    }
    await expect(run()).rejects.toBe(reason)
  })

  it('frees everything when the reader leaves early', async () => {
    for await (const _ of generate(model, { prompt: [1, 2], tokens: 9 })) break
  })

  it('says when the model predicts no numbers', async () => {
    const norm = fromFloat32(new Float32Array(32).fill(NaN), 'f32', [32])
    const params = { ...model.params, read: async (name: string) => (name === 'model.norm.weight' ? norm : model.params.read(name)) }
    expect(await refusal({ ...model, params }, { prompt: [1] })).toEqual([
      'NOT_FINITE',
      'The model predicts NaN or infinity.',
      'Look for NaN or infinite weights, or compress it more gently.',
    ])
  })

  it('uses weights that the caller keeps', async () => {
    const loaded = await loadModel(model)
    const held = tf.memory().numTensors
    await idsFrom(model, { prompt: [1, 2], tokens: 2, weights: loaded.weights })
    expect(tf.memory().numTensors).toBe(held)
    loaded.dispose()
  })

  it.each([
    [{ prompt: [] }, ['BAD_DATA', 'The prompt has no tokens.', 'Pass at least one token to continue.']],
    [
      { prompt: [3, 40] },
      ['BAD_DATA', 'The prompt holds 40, but the model knows tokens 0 to 39.', "Encode the prompt with the model's own tokenizer."],
    ],
    [
      { prompt: Array.from({ length: 64 }, () => 1) },
      ['BAD_DATA', 'The prompt has 64 tokens, which leaves no room in a context of 64.', 'Shorten it to 63 tokens or fewer.'],
    ],
    [
      { prompt: [1], tokens: 1.5 },
      ['BAD_OPTION', 'tokens is 1.5; expected a whole number from 0 on.', 'Pass how many tokens to generate.'],
    ],
    [
      { prompt: [1], temperature: -1 },
      [
        'BAD_OPTION',
        'temperature is -1; expected a number from 0 on.',
        'Pass 0 for the likeliest token each time, or about 0.8 for variety.',
      ],
    ],
  ])('refuses %j', async (options, expected) => expect(await refusal(model, options)).toEqual(expected))
})

describe('generate from a text', () => {
  it('streams what the ids decode to', async () => {
    const model = picoLlama()
    const ids = await idsFrom(model, { prompt: model.tokenizer!.encode('hi'), tokens: 20 })
    const text = await textFrom(model, { prompt: 'hi', tokens: 20 })
    expect(text.length).toBeGreaterThan(0)
    expect(model.tokenizer!.decode(ids).startsWith(text)).toBe(true)
  })

  it('begins with the beginning token where the text is empty', async () => {
    const model = picoLlama()
    expect(await idsFrom(model, { prompt: '', tokens: 3 })).toEqual(await idsFrom(model, { prompt: [256], tokens: 3 }))
  })

  it('gives empty texts without a tokenizer', async () => {
    expect(await textFrom(picoLlama({ vocabulary: 9 }), { prompt: [1], tokens: 3 })).toBe('')
  })
})

describe('detokenizer', () => {
  it('waits for the last byte of a character', () => {
    const complete = detokenizer(byteTokenizer(), byteTokenizer().encode('a'))
    expect(byteTokenizer().encode('é€b', { specials: false }).map(complete)).toEqual(['', 'é', '', '', '€', 'b'])
  })

  it('shows a broken character when the next one comes', () => {
    expect([0xe2, 0x82, 0x61].map(detokenizer(byteTokenizer()))).toEqual(['', '', '\uFFFDa'])
  })

  it('keeps the space between words that decoding alone would drop', () => {
    const spaced = {
      ...byteTokenizer(),
      decode: (ids: readonly number[]) =>
        ids
          .map(id => ` w${id}`)
          .join('')
          .slice(1),
    }
    expect([1, 2].map(detokenizer(spaced, [7]))).toEqual([' w1', ' w2'])
  })
})

describe('sample', () => {
  it('draws as often as the softmax says', () => {
    const rng = createRng(1)
    const counts = [0, 0, 0]
    for (let i = 0; i < 4000; i++) counts[sample([0, Math.log(2), Math.log(5)], 1, rng)]++
    expect(counts.map(count => count / 500)).toEqual([expect.closeTo(1, 0), expect.closeTo(2, 0), expect.closeTo(5, 0)])
  })

  it('is greedy in the cold', () => expect(sample([1, 3, 2], 1e-6, createRng(1))).toBe(1))
})

describeData('lm/shakespeare-llama', 'the trained character model', () => {
  const folder = 'lm/shakespeare-llama'

  it('gives the recorded logits and writes the recorded text', async () => {
    const before = tf.memory().numTensors
    const reference = readJson(`${folder}/reference.json`)
    const tokenizer = openTokenizer({
      'tokenizer.json': readJson(`${folder}/tokenizer.json`),
      'tokenizer_config.json': readJson(`${folder}/tokenizer_config.json`),
    })
    const model = llamaModel(readJson(`${folder}/config.json`), readTensors(`${folder}/model.safetensors`), { tokenizer })
    const { weights, dispose } = await loadModel(model)
    const { prompt, text } = reference.greedy as { prompt: string; text: string }
    const ids = tf.tensor2d([[...tokenizer.encode(prompt)]], [1, prompt.length], 'int32')
    const logits = forward(model, ids, { weights })
    const last = (await logits.data()).slice(-model.vocabularySize)
    const expected = reference.last_position_logits_for_prompt as number[]
    expected.forEach((value, i) => expect(Math.abs(last[i] - value)).toBeLessThan(1e-4))
    const end = process.env.TERSOR_SLOW === '1' ? text.length : prompt.length + 40 // a token is a character
    expect(prompt + (await textFrom(model, { prompt, tokens: end - prompt.length, weights }))).toBe(text.slice(0, end))
    tf.dispose([ids, logits])
    dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})
