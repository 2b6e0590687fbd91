import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, openCaches, pipeline, type Env, type Model } from '@tersor/core'
import { rtn } from '@tersor/quantization'
import { memoryStore, type ParameterStore } from '@tersor/tensor'
import { bertModel } from './bert.js'
import { generate } from '../generation/generate.js'
import { gpt2Model } from './gpt2.js'
import type { RawConfig } from './raw-config.js'
import { describeData, readJson, readTensor, readTensors } from '../shared-data.fixture.js'
import { vitModel } from './vit.js'

const largestDifference = async (a: tf.Tensor, b: tf.Tensor): Promise<number> => {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))))
  const [value] = await difference.data()
  difference.dispose()
  return value
}

const run = async (model: Model, x: tf.Tensor, env: Partial<Env> = {}): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel(model)
  const logits = forward(model, x, { weights, ...env })
  dispose()
  return logits
}

const BUILD: Record<string, (config: RawConfig, params: ParameterStore) => Model> = {
  gpt2: gpt2Model,
  bert: bertModel,
  'bert-mlm': bertModel,
  vit: vitModel,
}

const open = (name: string) => ({
  config: readJson(`picomodels/${name}/config.json`),
  params: readTensors(`picomodels/${name}/model.safetensors`),
  golden: readTensors(`picomodels/${name}/golden.safetensors`),
})

/** The official inputs, as the model takes them: pixel values go back to pixels 0 … 255. */
const inputOf = async (golden: ParameterStore): Promise<tf.Tensor> => {
  if (golden.names().includes('input_ids')) return readTensor(golden, 'input_ids')
  const values = await readTensor(golden, 'pixel_values')
  return tf.tidy(() => tf.mul(tf.add(tf.mul(tf.transpose(values, [0, 2, 3, 1]), 0.5), 0.5), 255))
}

beforeAll(async () => {
  await tf.setBackend('cpu')
  expect(tf.getBackend()).toBe('cpu')
})

describeData('picomodels', 'GPT-2, BERT and ViT', () => {
  it.each(Object.keys(BUILD))('give the official logits: %s', async name => {
    const { config, params, golden } = open(name)
    const input = await inputOf(golden)
    const attended = golden.names().includes('attention_mask') ? { attended: await readTensor(golden, 'attention_mask') } : {}
    const expected = await readTensor(golden, 'logits')
    const logits = await run(BUILD[name](config, params), input, attended)
    const seen = attended.attended && logits.shape.length === 3 ? tf.expandDims(attended.attended, -1) : tf.scalar(1)
    expect(await largestDifference(tf.mul(logits, seen), tf.mul(expected, seen))).toBeLessThan(1e-4)
  })

  it('gives the same logits piece by piece through caches: gpt2', async () => {
    const { config, params, golden } = open('gpt2')
    const model = gpt2Model(config, params)
    const { weights, dispose } = await loadModel(model)
    const [ids, expected] = [await readTensor(golden, 'input_ids'), await readTensor(golden, 'logits')]
    const caches = openCaches(model)
    let from = 0
    const parts = [7, 1, 1, 31].map(count => {
      const piece = tf.slice(ids, [0, from], [2, count]) as tf.Tensor
      from += count
      return caches.forward(piece, { weights })
    })
    expect(await largestDifference(tf.concat(parts, 1), expected)).toBeLessThan(1e-4)
    caches.dispose()
    dispose()
  })

  it('takes names without "transformer." and continues a prompt: gpt2', async () => {
    const { config, params } = open('gpt2')
    const entries = await Promise.all(
      params.names().map(async name => [name.replace('transformer.', ''), await params.read(name)] as const),
    )
    const texts: number[][] = []
    for (const store of [params, memoryStore(Object.fromEntries(entries))]) {
      const ids: number[] = []
      for await (const { id } of generate(gpt2Model(config, store), { prompt: [1, 2, 3], tokens: 8 })) ids.push(id)
      texts.push(ids)
    }
    expect(texts[0]).toHaveLength(8)
    expect(texts[1]).toEqual(texts[0])
  })

  it.each(['gpt2', 'bert', 'vit'])('is compressed like any other, transposed and convolved weights too: %s', async name => {
    const { config, params, golden } = open(name)
    const model = BUILD[name](config, params)
    const input = await inputOf(golden)
    const small = await compress(model, pipeline(rtn({ bits: 8, group: 16 })), { calibration: [input], seed: 1 })
    const sites = model.stages.flatMap(stage => stage.sites).filter(site => site.kind !== 'embedding' && !site.head)
    for (const site of sites) expect((await small.params.read(site.weight)).kind).toBe('encoded')
    const [before, after] = [await run(model, input), await run(small, input)]
    const difference = await largestDifference(before, after)
    expect(difference).toBeGreaterThan(0)
    expect(difference).toBeLessThan(0.05 * (await largestDifference(before, tf.zerosLike(before))))
  })

  it('refuses what it cannot run', () => {
    const { config, params } = open('bert')
    expect(() => bertModel({ ...config, architectures: ['BertForQuestionAnswering'] }, params)).toThrow(
      'The head "BertForQuestionAnswering" of a BERT is not one this package runs.\nKnown are BertForSequenceClassification, BertForMaskedLM, BertModel.',
    )
    expect(() => bertModel({ ...config, num_attention_heads: 7 }, params)).toThrow('The config\'s "num_attention_heads" is 7')
    expect(() => bertModel({ ...config, hidden_act: 'maxout' }, params)).toThrow('The config\'s "hidden_act" is "maxout"')
    const gpt2 = open('gpt2')
    expect(() => gpt2Model({ ...gpt2.config, n_head: 5 }, gpt2.params)).toThrow('The config\'s "n_head" is 5')
    expect(() => gpt2Model({ ...gpt2.config, activation_function: 'tent' }, gpt2.params)).toThrow('"activation_function" is "tent"')
    expect(() => gpt2Model({ ...gpt2.config, n_embd: 32 }, gpt2.params)).toThrow(expect.objectContaining({ code: 'SHAPE' }))
    const vit = open('vit')
    expect(() => vitModel({ ...vit.config, patch_size: 5 }, vit.params)).toThrow('The config\'s "patch_size" is 5')
    expect(() => vitModel({ ...vit.config, num_channels: 4 }, vit.params)).toThrow('The config\'s "num_channels" is 4')
    expect(() => vitModel(vit.config, vit.params, { preprocessor: { image_mean: [1] } })).toThrow('The config\'s "image_mean" is [1]')
  })
})
