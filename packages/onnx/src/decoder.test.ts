import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, pipeline, shrink, type Change } from '@tersor/core'
import { rtn } from '@tersor/quantization'
import { hasCode } from '@tersor/tensor'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanguageModel } from '@tersor/models/language-model'
import { llamaModel } from '@tersor/models/llama'
import { parseLlamaConfig } from '@tersor/models/llama-config'
import { onnxDecoderSink, type OnnxDecoderOptions } from './decoder.js'
import { picoLlama } from '@tersor/models/pico-llama'
import { describeData, readJson, readTensor, readTensors } from '../../models/src/shared-data.fixture.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-onnx-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const save = async (model: LanguageModel, options: OnnxDecoderOptions = {}): Promise<string> => {
  const path = join(folder, 'model')
  const sink = onnxDecoderSink(path, model, { overwrite: true, ...options })
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (
    await sink.finish()
  ).close!()
  const [file] = await readdir(join(path, 'onnx'))
  return join(path, 'onnx', file)
}

const ids = (values: ArrayLike<number>, shape: readonly number[]): Tensor =>
  new Tensor(
    'int64',
    BigInt64Array.from(values as ArrayLike<never>, (value: number) => BigInt(value)),
    shape,
  )

interface Prompt {
  readonly rows: readonly (readonly number[])[]
  /** How many tokens each run takes; all at once where absent. */
  readonly pieces?: readonly number[]
  /** Tokens of padding before each row. */
  readonly padding?: readonly number[]
}

type Floats = 'float32' | 'float16'

/** All logits of a prompt, (rows · tokens · vocabulary) piece by piece, through past keys and values. */
const logitsOf = async (
  session: InferenceSession,
  { rawConfig }: LanguageModel,
  { rows, pieces, padding = rows.map(() => 0) }: Prompt,
  type: Floats,
) => {
  const config = parseLlamaConfig(rawConfig)
  const batch = rows.length
  const empty = (heads: number) =>
    new Tensor(type, type === 'float32' ? new Float32Array(0) : new Uint16Array(0), [batch, heads, 0, config.headSize])
  const attending = config.widths.flatMap(({ keyValueHeads }, layer) => (keyValueHeads > 0 ? [{ keyValueHeads, layer }] : []))
  let past = Object.fromEntries(attending.flatMap(({ keyValueHeads, layer }) => ['key', 'value'].map(part => [`${layer}.${part}`, empty(keyValueHeads)]))) as Record<string, Tensor> // prettier-ignore
  const logits: Float32Array[] = []
  let from = 0
  for (const count of pieces ?? [rows[0].length]) {
    const span = Array.from({ length: count }, (_, i) => from + i)
    from += count
    const feeds = {
      input_ids: ids(rows.flatMap(row => span.map(i => row[i])), [batch, count]), // prettier-ignore
      attention_mask: ids(padding.flatMap(pad => Array.from({ length: from }, (_, i) => (i < pad ? 0 : 1))), [batch, from]), // prettier-ignore
      position_ids: ids(padding.flatMap(pad => span.map(i => Math.max(0, i - pad))), [batch, count]), // prettier-ignore
      ...Object.fromEntries(Object.entries(past).map(([name, value]) => [`past_key_values.${name}`, value])),
    }
    const outputs = await session.run(feeds)
    logits.push(outputs.logits.data as Float32Array)
    past = Object.fromEntries(Object.keys(past).map(name => [name, outputs[`present.${name}`]]))
  }
  return logits
}

/** The logits of several prompts. */
const runAll = async (path: string, model: LanguageModel, prompts: readonly Prompt[], type: Floats = 'float32') => {
  const session = await InferenceSession.create(path, { graphOptimizationLevel: 'basic', intraOpNumThreads: 1, logSeverityLevel: 3 })
  const logits: Float32Array[][] = []
  for (const prompt of prompts) logits.push(await logitsOf(session, model, prompt, type))
  await session.release()
  return logits
}
const run = async (path: string, model: LanguageModel, prompt: Prompt, type?: Floats) => (await runAll(path, model, [prompt], type))[0]

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Infinity
  for (let i = 0; i < a.length; i++) most = Math.max(most, Number.isNaN(a[i]) ? Infinity : Math.abs(a[i] - b[i]))
  return most
}

/** Our own logits on the weights as they decode. */
const ours = async (model: LanguageModel, rows: readonly (readonly number[])[]): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const logits = tf.tidy(() => forward(model, tf.tensor2d(rows.flat(), [rows.length, rows[0].length], 'int32'), { weights }))
  dispose()
  return logits.data<'float32'>()
}

const ARCHITECTURES = [
  ...['llama', 'llama3-rope', 'llama-linear-rope', 'mistral-sliding', 'qwen2', 'qwen3', 'mixtral', 'qwen3-moe', 'phi3', 'gemma2'],
]

describeData('picomodels', 'decoders', () => {
  it.each(ARCHITECTURES)('give the official logits in ONNX Runtime, at once and piece by piece: %s', async name => {
    const golden = readTensors(`picomodels/${name}/golden.safetensors`)
    const model = llamaModel(readJson(`picomodels/${name}/config.json`), readTensors(`picomodels/${name}/model.safetensors`))
    const rows = (await (await readTensor(golden, 'input_ids')).array()) as number[][]
    const expected = await readTensor(golden, 'logits')
    const pieces = [rows[0].length - 3, 1, 2]
    const [[whole], parts] = await runAll(await save(model), model, [{ rows }, { rows, pieces }])
    expect(largestDifference(whole, await expected.data())).toBeLessThan(1e-4)
    let from = 0
    for (const [index, count] of pieces.entries()) {
      const slice = tf.slice(expected, [0, from, 0], [-1, count, -1])
      expect(largestDifference(parts[index], await slice.data())).toBeLessThan(1e-4)
      from += count
    }
  })
})

const model = picoLlama({ layers: 2, seed: 5 })
const shallow = picoLlama({ layers: 1, seed: 5 })
const rows = [
  [5, 9, 100, 7, 20, 3],
  [8, 1, 2, 3, 50, 60],
]

it('gives the logits of a network whose blocks differ, one of them without attention', async () => {
  const large = picoLlama({ layers: 3, seed: 7, hidden: 64 })
  const change: Change = {
    keep: new Map([
      ['model.layers.0.self_attn.heads', [1]],
      ['model.layers.2.self_attn.queries', [0, 3]],
      ['model.layers.2.mlp.neurons', Array.from({ length: 24 }, (_, unit) => 2 * unit)],
      ['stream', Array.from({ length: 40 }, (_, channel) => channel)],
    ]),
    without: new Set(['model.layers.1.self_attn']),
  }
  const small = await shrink(large, change)
  const path = await save(small)
  const [logits] = await run(path, small, { rows })
  expect(largestDifference(logits, await ours(small, rows))).toBeLessThan(1e-4)
})

it('gives the same logits behind padding', async () => {
  const path = await save(model)
  const padded = [[0, 0, ...rows[0]], [0, 0, ...rows[1]]] // prettier-ignore
  const [logits] = await run(path, model, { rows: padded, padding: [2, 2] })
  const expected = await ours(model, rows)
  const width = model.vocabularySize
  for (const row of [0, 1]) {
    const seen = logits.subarray((row * 8 + 2) * width, (row + 1) * 8 * width)
    expect(largestDifference(seen, expected.subarray(row * 6 * width, (row + 1) * 6 * width))).toBeLessThan(1e-4)
  }
})

it('computes in half precision', async () => {
  const path = await save(shallow, { float: 'f16' })
  expect(path.endsWith('onnx/model_fp16.onnx')).toBe(true)
  const config = JSON.parse(await readFile(join(path, '../../config.json'), 'utf8'))
  expect(config['transformers.js_config'].kv_cache_dtype.fp16).toBe('float16')
  const [logits] = await run(path, shallow, { rows }, 'float16')
  const expected = await ours(shallow, rows)
  expect(largestDifference(logits, expected)).toBeLessThan(0.02)
})

it.each([
  { bits: 4, form: 'MatMulNBits', file: 'model_q4.onnx' },
  { bits: 8, form: 'MatMulNBits', file: 'model_quantized.onnx' },
  { bits: 4, form: 'QDQ', file: 'model_q4.onnx' },
  { bits: 8, form: 'QDQ', file: 'model_quantized.onnx' },
] as const)('multiplies by quantized weights as they decode: %j', async ({ bits, form, file }) => {
  const small = await compress(shallow, pipeline(rtn({ bits, group: 32 })))
  const path = await save(small, { form })
  expect(path.endsWith(file)).toBe(true)
  const [logits] = await run(path, shallow, { rows })
  expect(largestDifference(logits, await ours(small, rows))).toBeLessThan(1e-4)
})

it('keeps its weights beside the graph where asked to, and says so in config.json', async () => {
  const path = join(folder, 'external')
  const sink = onnxDecoderSink(path, shallow, { external: true })
  for (const name of shallow.params.names()) await sink.write(name, await shallow.params.read(name))
  await (
    await sink.finish()
  ).close!()
  expect((await readdir(join(path, 'onnx'))).sort()).toEqual(['model.onnx', 'model.onnx_data'])
  const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))
  expect(config['transformers.js_config']).toEqual({ use_external_data_format: { 'model.onnx': 1 } })
  const [logits] = await run(join(path, 'onnx/model.onnx'), shallow, { rows })
  expect(largestDifference(logits, await ours(shallow, rows))).toBeLessThan(1e-4)
})

it('refuses what it cannot write', async () => {
  const missing = onnxDecoderSink(join(folder, 'missing'), shallow)
  await expect(missing.finish()).rejects.toThrow('parameters were not written')
  const small = await compress(shallow, pipeline(rtn({ bits: 4, group: 8 })))
  await expect(save(small)).rejects.toThrow(
    'ONNX has no place for 7 of the tensors: model.layers.0.self_attn.q_proj.weight has groups of 8',
  )
  const made = () => onnxDecoderSink(join(folder, 'none'), shallow, { form: 'Q4_K' as 'QDQ' })
  expect(made).toThrow('There is no form "Q4_K"')
  await save(shallow).catch(error => expect(hasCode(error, 'OUTPUT_EXISTS')).toBe(false))
})
