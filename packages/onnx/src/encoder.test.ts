import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel } from '@tersor/core'
import { rtn } from '@tersor/quantization'
import { memoryStore, toFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bertModel } from '@tersor/models/bert'
import { llamaEncoder } from '@tersor/models/llama'
import type { LlamaConfig } from '@tersor/models/llama-config'
import { onnxEncoderSink, type OnnxEncoderOptions } from './encoder.js'
import { openModel } from '@tersor/models/open-model'
import { picoLlama } from '@tersor/models/pico-llama'
import { describeData, readJson, readTensor, readTensors } from '../../models/src/shared-data.fixture.js'
import type { TextEncoder } from '@tersor/models/text-encoder'
import { tinyBert } from '../../models/src/networks/tiny-bert.fixture.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-encoder-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const save = async (model: TextEncoder, options: OnnxEncoderOptions = {}): Promise<string> => {
  const path = join(folder, 'model')
  const sink = onnxEncoderSink(path, model, { overwrite: true, ...options })
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (
    await sink.finish()
  ).close!()
  const [file] = await readdir(join(path, 'onnx'))
  return join(path, 'onnx', file)
}

type Rows = readonly (readonly number[])[]

const ROWS: Rows = [
  [5, 9, 31, 7, 20, 3],
  [8, 1, 2, 3, 30, 16],
]
const filled = (value: number, rows: Rows = ROWS): Rows => rows.map(row => row.map(() => value))

const tensorOf = (rows: Rows): Tensor =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]) // prettier-ignore

/** All outputs of the graph, in the order that it gives them. */
const run = async (path: string, inputs: Readonly<Record<string, Rows>>, past: Readonly<Record<string, Tensor>> = {}) => {
  const session = await InferenceSession.create(path, { graphOptimizationLevel: 'basic', intraOpNumThreads: 1, logSeverityLevel: 3 })
  const given = Object.fromEntries(Object.entries(inputs).map(([name, rows]) => [name, tensorOf(rows)]))
  const { inputNames, outputNames } = session
  expect(Object.keys({ ...given, ...past }).sort()).toEqual([...inputNames].sort())
  const outputs = await session.run({ ...given, ...past })
  await session.release()
  return Object.fromEntries(outputNames.map(name => [name, outputs[name].data as Float32Array]))
}

const bertInputs = (input_ids: Rows = ROWS, attention_mask: Rows = filled(1, input_ids), token_type_ids: Rows = filled(0, input_ids)) => ({
  input_ids,
  attention_mask,
  token_type_ids,
})

const ours = async (model: TextEncoder, rows: Rows = ROWS, attended?: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const ids = tf.tensor2d(rows as number[][], undefined, 'int32')
  const result = tf.tidy(() => forward(model, ids, { weights, ...(attended ? { attended } : {}) }))
  ids.dispose()
  dispose()
  return result.data<'float32'>()
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Infinity
  for (let i = 0; i < a.length; i++) most = Math.max(most, Number.isNaN(a[i]) ? Infinity : Math.abs(a[i] - b[i]))
  return most
}

const rowsOf = async (tensor: tf.Tensor): Promise<Rows> => (await tensor.array()) as number[][]

describeData('picomodels', 'encoders', () => {
  it.each(['bert', 'bert-mlm'])('give the official logits in ONNX Runtime, padding hidden: %s', async name => {
    const golden = readTensors(`picomodels/${name}/golden.safetensors`)
    const model = bertModel(readJson(`picomodels/${name}/config.json`), readTensors(`picomodels/${name}/model.safetensors`))
    const [ids, mask, expected] = await Promise.all(['input_ids', 'attention_mask', 'logits'].map(each => readTensor(golden, each)))
    const { logits } = await run(await save(model), bertInputs(await rowsOf(ids), await rowsOf(mask)))
    const seen = expected.rank === 3 ? tf.expandDims(mask, -1) : tf.scalar(1)
    const [mine, theirs] = [tf.mul(tf.tensor(logits, expected.shape), seen), tf.mul(expected, seen)]
    expect(largestDifference(await mine.data(), await theirs.data())).toBeLessThan(1e-4)
  })
})

const CLASSIFIER = 'BertForSequenceClassification'
const DECODER = 'cls.predictions.decoder'
const POOLER = { 'bert.pooler.dense.weight': [32, 32], 'bert.pooler.dense.bias': [32] }

/** One layer is enough where heads and forms differ. */
const shallow = (architecture: string, config = {}, more = {}): TextEncoder =>
  tinyBert(architecture, { config: { num_hidden_layers: 1, ...config }, more })

const KINDS: Readonly<Record<string, readonly [model: () => TextEncoder, output: string]>> = {
  'hidden states': [() => tinyBert('BertModel'), 'last_hidden_state'],
  'a classifier of three classes': [() => shallow(CLASSIFIER, { num_labels: 3 }), 'logits'],
  'masked tokens by the embedding': [() => shallow('BertForMaskedLM'), 'logits'],
  'masked tokens by a decoder of its own': [() => shallow('BertForMaskedLM', { tie_word_embeddings: false }), 'logits'],
  'a decoder with a bias of its own': [
    () => shallow('BertForMaskedLM', { tie_word_embeddings: false }, { [`${DECODER}.bias`]: [40] }),
    'logits',
  ],
  'another activation': [() => shallow('BertModel', { hidden_act: 'relu' }), 'last_hidden_state'],
}

it.each(Object.keys(KINDS))('gives in ONNX Runtime what we compute: %s', async kind => {
  const [make, output] = KINDS[kind]
  const model = make()
  const path = await save(model)
  expect(path.endsWith('onnx/model.onnx')).toBe(true)
  const outputs = await run(path, bertInputs())
  expect(Object.keys(outputs)).toEqual([output])
  expect(largestDifference(outputs[output], await ours(model))).toBeLessThan(1e-5)
})

it('hides padding, wherever it stands', async () => {
  const model = tinyBert('BertModel')
  const mask = [[1, 1, 1, 1, 0, 0], [0, 1, 1, 0, 1, 1]] // prettier-ignore
  const { last_hidden_state: states } = await run(await save(model), bertInputs(ROWS, mask))
  const expected = await ours(model, ROWS, tf.tensor2d(mask, undefined, 'int32'))
  const isSeen = (i: number): boolean => mask.flat()[Math.floor(i / 32)] === 1
  expect(largestDifference(states.filter((_, i) => isSeen(i)), expected.filter((_, i) => isSeen(i)))).toBeLessThan(1e-5) // prettier-ignore
  expect(largestDifference(states, await ours(model))).toBeGreaterThan(0.01)
})

it('reads the types of tokens', async () => {
  const model = shallow('BertModel')
  const TYPES = 'bert.embeddings.token_type_embeddings.weight'
  const entries = await Promise.all(model.params.names().map(async name => [name, await model.params.read(name)] as const))
  // all tokens of the second type in one network are tokens of the first type in another whose types are swapped
  const turned = ({ bytes, ...rest }: Dense): Dense => ({ ...rest, bytes: Uint8Array.from([...bytes.subarray(128), ...bytes.subarray(0, 128)]) }) // prettier-ignore
  const swapped = Object.fromEntries(entries.map(([name, value]) => [name, name === TYPES ? turned(value as Dense) : value]))
  const other = bertModel(model.rawConfig, memoryStore(swapped as Record<string, Parameter>))
  const { last_hidden_state: states } = await run(await save(model), bertInputs(ROWS, filled(1), filled(1)))
  expect(largestDifference(states, await ours(other))).toBeLessThan(1e-5)
  expect(largestDifference(states, await ours(model))).toBeGreaterThan(0.01)
})

it('gives what a pooler makes of the first token beside the hidden states, where the checkpoint has one', async () => {
  const model = shallow('BertModel', {}, POOLER)
  const outputs = await run(await save(model), bertInputs())
  expect(Object.keys(outputs)).toEqual(['last_hidden_state', 'pooler_output'])
  const states = await ours(model)
  expect(largestDifference(outputs.last_hidden_state, states)).toBeLessThan(1e-5)
  const [weight, bias] = await Promise.all(Object.keys(POOLER).map(async name => toFloat32((await model.params.read(name)) as Dense)))
  const expected = [0, 1].flatMap(row =>
    Array.from({ length: 32 }, (_, out) => {
      const sum = Array.from({ length: 32 }, (_, i) => states[row * 6 * 32 + i] * weight[out * 32 + i]).reduce((a, b) => a + b)
      return Math.tanh(sum + bias[out])
    }),
  )
  expect(largestDifference(outputs.pooler_output, expected)).toBeLessThan(1e-5)
})

it('of the Llama family without a head gives normalised hidden states and takes a past', async () => {
  const whole = picoLlama({ layers: 2, seed: 5, config: { architectures: ['LlamaModel'] } })
  const names = whole.params.names().filter(name => name !== 'lm_head.weight')
  const base = Object.fromEntries(await Promise.all(names.map(async name => [name, await whole.params.read(name)] as const)))
  const model = llamaEncoder(whole.rawConfig, memoryStore(base))
  const path = await save(model)
  const { widths, headSize, layers } = model.config as LlamaConfig
  const [{ keyValueHeads }] = widths
  const none = () => new Tensor('float32', new Float32Array(0), [2, keyValueHeads, 0, headSize])
  const past = Object.fromEntries(
    Array.from({ length: layers }, (_, i) => ['key', 'value'].map(part => [`past_key_values.${i}.${part}`, none()] as const)).flat(),
  )
  const position_ids = ROWS.map(row => row.map((_, i) => i))
  const outputs = await run(path, { input_ids: ROWS, attention_mask: filled(1), position_ids }, past)
  expect(Object.keys(outputs)[0]).toBe('last_hidden_state')
  expect(outputs).not.toHaveProperty('logits')
  expect(largestDifference(outputs.last_hidden_state, await ours(model))).toBeLessThan(1e-4)
  expect((await readdir(join(folder, 'model'))).sort()).toEqual(['.tersor.json', 'config.json', 'onnx'])
})

it('computes in half precision', async () => {
  const model = shallow('BertModel')
  const path = await save(model, { float: 'f16' })
  expect(path.endsWith('onnx/model_fp16.onnx')).toBe(true)
  const { last_hidden_state: states } = await run(path, bertInputs())
  const difference = largestDifference(states, await ours(model))
  expect(difference).toBeGreaterThan(0)
  expect(difference).toBeLessThan(0.02)
  // there are no keys and values to be kept in halves
  expect(JSON.parse(await readFile(join(path, '../../config.json'), 'utf8'))).toEqual(model.rawConfig)
})

it.each([
  { bits: 4, form: 'MatMulNBits', file: 'model_q4.onnx', only: undefined },
  { bits: 8, form: 'MatMulNBits', file: 'model_quantized.onnx', only: undefined },
  { bits: 4, form: 'QDQ', file: 'model_q4.onnx', only: undefined },
  { bits: 8, form: 'QDQ', file: 'model_quantized.onnx', only: undefined },
  { bits: 8, form: 'MatMulNBits', file: 'model_quantized.onnx', only: '*' },
] as const)('multiplies by quantized weights as they decode, and looks up tables so: %j', async ({ bits, form, file, only }) => {
  const model = shallow('BertForMaskedLM')
  const small = await compress(model, rtn({ bits, group: 32, ...(only ? { only } : {}) }))
  expect((await small.params.read('bert.embeddings.word_embeddings.weight')).kind).toBe(only ? 'encoded' : 'dense')
  const path = await save(small, { form })
  expect(path.endsWith(file)).toBe(true)
  const { logits } = await run(path, bertInputs())
  expect(largestDifference(logits, await ours(small))).toBeLessThan(1e-5)
  expect(largestDifference(logits, await ours(model))).toBeGreaterThan(1e-3)
})

it('carries config and tokenizer along, and is opened again as a graph', async () => {
  const model = shallow('BertModel')
  const files = { 'tokenizer_config.json': new TextEncoder().encode('{"do_lower_case":true}') }
  await save({ ...model, files })
  const path = join(folder, 'model')
  expect((await readdir(path)).sort()).toEqual(['.tersor.json', 'config.json', 'onnx', 'tokenizer_config.json'])
  expect(JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))).toEqual(model.rawConfig)
  expect(await readFile(join(path, 'tokenizer_config.json'), 'utf8')).toBe('{"do_lower_case":true}')
  const graph = await openModel(path)
  expect(graph).toMatchObject({ family: 'graph', architecture: 'bert' })
  expect('inputs' in graph && graph.inputs.map(({ name }) => name)).toEqual(['input_ids', 'attention_mask', 'token_type_ids'])
  await graph.close!()
})

it('refuses what it cannot write', async () => {
  const model = shallow('BertModel')
  const missing = onnxEncoderSink(join(folder, 'missing'), model)
  await expect(missing.finish()).rejects.toThrow(
    '21 parameters were not written, among them bert.embeddings.word_embeddings.weight.\nWrite all of them.',
  )
  const small = await compress(model, rtn({ bits: 4, group: 8 }))
  await expect(save(small)).rejects.toThrow(
    'ONNX has no place for 6 of the tensors: bert.encoder.layer.0.attention.self.query.weight has groups of 8',
  )
  expect(() => onnxEncoderSink(join(folder, 'none'), model, { form: 'Q4_K' as 'QDQ' })).toThrow('There is no form "Q4_K"')
})
