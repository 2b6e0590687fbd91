import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { forward, loadModel } from '@tersor/core'
import { picoLlama, type LanguageModel } from '@tersor/models'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import type { EvaluationOptions } from './each-output.js'
import { klDivergence } from './kl-divergence.js'
import { perplexity } from './perplexity.js'
import { windowsOf, type Window } from './windows.js'

const model = picoLlama({ vocabulary: 20, layers: 2, context: 8, seed: 1 })
const other = picoLlama({ vocabulary: 20, layers: 1, context: 8, seed: 2 })
const windows: Window[] = [[1, 2, 3, 4, 5], [6], [7, 8, 9], [3, 1, 4, 1, 5], [2, 7, 1]]
/** More than one batch of 2,048 positions. */
const many = Array.from({ length: 200 }, () => windows).flat()

/** log p of every token, position by position in plain loops. */
const logProbabilities = async (each: LanguageModel, ids: readonly number[]): Promise<number[][]> => {
  const { weights, dispose } = await loadModel(each)
  const x = tf.tensor2d([[...ids]], [1, ids.length], 'int32')
  const logits = forward(each, x, { weights })
  const rows = ((await logits.array()) as number[][][])[0]
  tf.dispose([x, logits])
  dispose()
  return rows.map(row => {
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0))
    return row.map(logit => logit - total)
  })
}

let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(async () => {
  await tf.setBackend('cpu')
  expect(tf.memory().numTensors).toBe(before)
})

describe('windowsOf', () => {
  const encoder = { encode: (text: string) => [0, ...text].map(Number) }

  it('encodes each document alone and cuts it where the context ends', () => {
    expect(windowsOf(['12345', '67'], encoder, 4)).toEqual([
      [0, 1, 2, 3],
      [4, 5],
      [0, 6, 7],
    ])
  })

  it('refuses text with nothing to predict', () => {
    const refusal = expect.objectContaining({ code: 'BAD_DATA', message: 'The text has no two tokens in a row.\nPass a longer text.' })
    expect(() => windowsOf([], encoder, 4)).toThrow(refusal)
    expect(() => windowsOf(['12'], encoder, 1)).toThrow(refusal)
  })
})

describe('perplexity', () => {
  it('is exp of the mean surprise at every token of a window after its first', async () => {
    let loss = 0
    for (const window of windows) {
      const rows = await logProbabilities(model, window)
      window.slice(1).forEach((id, i) => (loss -= rows[i][id]))
    }
    const result = await perplexity(model, windows)
    expect(result.tokens).toBe(12)
    expect(result.perplexity).toBeCloseTo(Math.exp(loss / 12), 3)
  })

  it('is the size of the vocabulary where the model knows nothing', async () => {
    const zeros = memoryStore(
      Object.fromEntries(
        model.params.names().map(name => {
          const { shape } = model.params.info(name)
          return [name, fromFloat32(new Float32Array(shape.reduce((a, b) => a * b, 1)), 'f32', shape)]
        }),
      ),
    )
    expect((await perplexity({ ...model, params: zeros }, windows)).perplexity).toBeCloseTo(20, 5)
  })

  it('gives the same stage by stage', async () => {
    const whole = await perplexity(model, windows)
    const byStages = await perplexity(model, windows, { hold: 'stage' })
    expect(byStages.tokens).toBe(whole.tokens)
    expect(byStages.perplexity / whole.perplexity).toBeCloseTo(1, 6) // each stage is a graph of its own: sums round otherwise
  })

  it('gives the same as one graph, which holds its weights, and of a network that cannot be recorded', async () => {
    const expected = (await perplexity(model, windows)).perplexity // the mean over more of the same
    const often = [...many, ...many] // three whole batches and a part of one
    await tf.setBackend('ort')
    try {
      const graph = await perplexity(model, often)
      const [first, ...others] = model.stages
      const reading = { ...first, run: (...[x, env]: Parameters<typeof first.run>) => (x.dataSync(), first.run(x, env)) }
      const plain = await perplexity({ ...model, stages: [reading, ...others] }, often)
      expect(tf.getBackend()).toBe('ort')
      for (const { perplexity: value } of [graph, plain]) expect(Math.abs(value / expected - 1)).toBeLessThan(1e-5)
    } finally {
      await tf.setBackend('cpu')
    }
  })

  it('tells how far it is', async () => {
    await tf.setBackend('ort')
    const seen: number[][] = []
    await perplexity(model, many, { onProgress: (done, of) => seen.push([done, of]) })
    expect(seen).toEqual([
      [512, 800],
      [800, 800],
    ])
  })

  it.each<EvaluationOptions['hold']>(['all', 'stage'])('stops with the reason given, holding %s', async hold => {
    await tf.setBackend('ort')
    const controller = new AbortController()
    const reason = new Error('enough')
    const options = { hold: hold!, signal: controller.signal, onProgress: () => controller.abort(reason) }
    await expect(perplexity(model, many, options)).rejects.toBe(reason)
  })

  it('says when there is nothing to predict', async () => {
    await expect(perplexity(model, [[1], []])).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: 'No window has two tokens, so there is nothing to predict.\nPass a longer text.',
    })
  })

  it('refuses ids of another vocabulary', async () => {
    await expect(perplexity(model, [[1, 20]])).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: "The text has token 20, but the model knows tokens 0 to 19.\nEncode it with the model's own tokenizer.",
    })
  })

  it('says when the model predicts no numbers', async () => {
    const norm = fromFloat32(new Float32Array(32).fill(NaN), 'f32', [32])
    const params = { ...model.params, read: async (name: string) => (name === 'model.norm.weight' ? norm : model.params.read(name)) }
    await expect(perplexity({ ...model, params }, windows)).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: 'The model predicts NaN or infinity.\nLook for NaN or infinite weights, or compress it more gently.',
    })
  })
})

describe('klDivergence', () => {
  it('is the mean of Σ p (log p − log q) over the positions', async () => {
    let sum = 0
    for (const window of windows) {
      const [p, q] = [await logProbabilities(other, window), await logProbabilities(model, window)]
      for (let i = 0; i < window.length - 1; i++) p[i].forEach((logP, id) => (sum += Math.exp(logP) * (logP - q[i][id])))
    }
    const result = await klDivergence(model, other, windows)
    expect(result.tokens).toBe(12)
    expect(result.kl).toBeCloseTo(sum / 12, 5)
  })

  it('is nothing between a model and itself', async () => {
    expect((await klDivergence(model, model, windows, { hold: 'stage' })).kl).toBe(0)
  })

  it('refuses models of two vocabularies', async () => {
    await expect(klDivergence(model, picoLlama({ vocabulary: 30 }), windows)).rejects.toMatchObject({
      code: 'BAD_DATA',
      message:
        'The model predicts 20 tokens, the reference 30.\nCompare models that share a vocabulary, such as a model and its compressed self.',
    })
  })
})
