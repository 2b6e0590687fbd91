import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { adam, compress, crossEntropy, forward, loadModel, train, type Model, type TrainOptions } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { freshModel } from '@tersor/models'
import { describePass } from '@tersor/testing'
import { sizeOf } from '@tersor/tensor'
import { bertOperations, bertParameters, compressor, compressorSizes, COMPRESSOR_SPACE } from './compressor.js'

const countOf = ({ params }: Model): number => params.names().reduce((sum, name) => sum + sizeOf(params.info(name).shape), 0)

it('counts the weights and operations of the published network of 3 MB', () => {
  const sizes = { heads: 8, hidden: 96, intermediate: 64, layers: 12 }
  // 765,410 with RoBERTa's head, which has one layer more: 96² + 96
  expect(bertParameters(sizes, { vocabulary: 1000 }) + 96 * 96 + 96).toBe(765_410)
  // by the authors' lines: a block of 311,749 operations a token, tables of 291,744 and a head of 19,872
  const [block, tables, head] = [8 * 96 * 96 + 4 * 96 * 514 + 10 * 514 * 8 + 4 * 96 + 480 + 5 + 4 * 96 * 64 + 9 * 64 + 576 + 480, 2 * 96 * 1000 + 2 * 96 * 516 + 11 * 96, 2 * 96 * 96 + 15 * 96] // prettier-ignore
  expect(bertOperations(sizes, { vocabulary: 1000 }, 514)).toBe(514 * (12 * block + tables + head))
  expect(COMPRESSOR_SPACE.hidden).toHaveLength(48)
  expect([COMPRESSOR_SPACE.intermediate.at(-1), COMPRESSOR_SPACE.layers.at(-1)]).toEqual([3040, 12])
})

const eights = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => 8 * (i + 1))
const search = {
  ...{ vocabulary: 24, positions: 8, classes: 3, bytes: 30_000, population: 20, generations: 40 },
  space: { hidden: eights(12), intermediate: eights(24) },
}

it('finds the paper’s size in the paper’s space', async () => {
  const found = await compressorSizes({ vocabulary: 1000, bytes: 3e6 })
  expect(4 * found.parameters).toBeLessThanOrEqual(3e6)
  expect(4 * found.parameters).toBeGreaterThan(2.9e6)
})

it('finds a network that fills its bytes and no more, the same for the same seed', async () => {
  const found = await compressorSizes({ ...search, seed: 2 })
  expect(4 * found.parameters).toBeLessThanOrEqual(30_000)
  expect(4 * found.parameters).toBeGreaterThan(0.8 * 30_000)
  expect(found.sizes.hidden % found.sizes.heads).toBe(0)
  expect(countOf(freshModel(found.config))).toBe(found.parameters)
  expect(await compressorSizes({ ...search, seed: 2 })).toEqual(found)
})

/** Texts whose class is the first token's remainder. */
const taskOf =
  (rows: number): TrainOptions['data'] =>
  (_step, rng) => {
    const words = Array.from({ length: rows * 6 }, () => rng.integer(24))
    const target = Int32Array.from({ length: rows }, (_, row) => words[6 * row] % 3)
    return { input: tf.tensor2d(Int32Array.from(words), [rows, 6], 'int32'), target: tf.tensor1d(target, 'int32') }
  }
const config = {
  ...{ model_type: 'bert', architectures: ['BertForSequenceClassification'], num_labels: 3, vocab_size: 24, max_position_embeddings: 8 },
  ...{ type_vocab_size: 1, hidden_size: 12, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2 },
}
const networkOf = (config: Readonly<Record<string, unknown>>, seed: number): Model => freshModel(config, { seed, deviation: 0.1 })

const small = { teacher: networkOf(config, 9), data: taskOf(2), steps: 2 }
describePass(() => compressor(small), {
  model: () => networkOf(config, 3),
  calibration: () => [tf.tensor2d([[1, 2, 3, 4, 5, 6]], [1, 6], 'int32')],
})

it('teaches the network that it found, from inputs alone', async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  const large = { ...config, hidden_size: 16, num_hidden_layers: 2 }
  const task = taskOf(24) // a step costs as much as with a few, and so many teach in a third of the steps
  const teacher = await train(networkOf(large, 2), {
    objective: crossEntropy,
    transform: adam({ learningRate: 0.03 }),
    data: task,
    steps: 30,
  })
  const data: TrainOptions['data'] = async (step, rng, withWeights) => {
    const { input, target } = await task(step, rng, withWeights)
    target!.dispose()
    return { input }
  }
  const found = await compressorSizes({ ...search, space: { ...search.space, heads: [2], layers: [1, 2] }, bytes: 8_000 })
  const student = await compress(networkOf(found.config, 3), compressor({ teacher, data, steps: 35, rate: 0.03 }), { seed: 1 })
  const texts = Array.from({ length: 24 }, (_, word) => [word, 1, 2, 3, 4, 5])
  const answersOf = async (model: Model) => {
    const { weights, dispose } = await loadModel(model)
    const answers = tf.tidy(() => tf.argMax(forward(model, tf.tensor2d(texts, [24, 6], 'int32'), { weights }), -1)) // prettier-ignore
    const values = [...(await answers.data())]
    answers.dispose()
    dispose()
    return values
  }
  const [taught, own] = [await answersOf(teacher), await answersOf(student)]
  expect(own.filter((answer, i) => answer === taught[i]).length).toBeGreaterThan(16) // of 24; 8 by chance
  await tf.setBackend('cpu')
})

it('says what is wrong', async () => {
  await expect(compressorSizes({ vocabulary: 50_000, bytes: 1000, generations: 2 })).rejects.toThrow(
    'No BERT over 50000 tokens was found within 1000 bytes.\nAllow more bytes, a smaller vocabulary, or more generations.',
  )
  await expect(compressorSizes({ vocabulary: 9, bytes: -1 })).rejects.toThrow('compressorSizes got bytes = -1.')
  await expect(compressorSizes({ vocabulary: 9, bytes: 1e6, population: 1 })).rejects.toThrow('evolve: population is 1.')
  const given = { ...small, steps: 0 }
  expect(() => compressor(given)).toThrow('compressor got steps = 0.\nPass steps of at least 1, and a rate above 0.')
  expect(() => compressor({ ...given, steps: 1, rate: -1 })).toThrow('compressor got rate = -1.')
})
