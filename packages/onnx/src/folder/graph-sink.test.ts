import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { compress, forward, loadModel, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { openModel } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import type { LanguageModel } from '@tersor/models/language-model'
import { picoLlama, type PicoLlamaOptions } from '@tersor/models/pico-llama'
import { structured } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import type { ParameterStore } from '@tersor/tensor'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '../../../formats/src/files/failing-file-system.fixture.js'
import { DATA, describeData } from '../../../models/src/shared-data.fixture.js'
import { decoderGraphOf } from '../cache/decoder-graph.fixture.js'
import type { OnnxDecoderOptions } from '../decoder.js'
import { onnxSink } from '../file.js'
import type { OnnxModel } from '../model.js'
import { onnxGraphFolderSink } from './graph-sink.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('ort')
  folder = await temporaryFolder()
})

type Decoder = TextGraph & OnnxModel

const decoders = new Map<string, Promise<Decoder>>()
afterAll(async () => {
  for (const each of decoders.values()) await (await each).close!()
  await rm(folder, { recursive: true, force: true })
})

/** The graph of a network, written and opened once. */
const decoder = (options: PicoLlamaOptions = {}, how: OnnxDecoderOptions = {}): Promise<Decoder> => {
  const key = JSON.stringify([options, how])
  if (!decoders.has(key)) decoders.set(key, decoderGraphOf(join(folder, `${decoders.size}`), picoLlama({ layers: 2, ...options }), how))
  return decoders.get(key)!
}

const write = async (name: string, source: Decoder, { params }: Model): Promise<string> => {
  const path = join(folder, name)
  const sink = onnxGraphFolderSink(path, { source: source.onnx, around: source.folder! })
  for (const each of params.names()) await sink.write(each, await params.read(each))
  await (
    await sink.finish()
  ).close!()
  return path
}

const IDS = [[3, 5, 1, 8, 2, 9]]
const logits = async (model: Model): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const x = tf.tensor2d(IDS, [1, 6], 'int32')
  const y = forward(model, x, { weights })
  const values = await y.data<'float32'>()
  tf.dispose([x, y])
  dispose()
  return values
}

const apart = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), a.length === b.length ? 0 : Infinity) // prettier-ignore

const configIn = async (path: string): Promise<Readonly<Record<string, unknown>>> => JSON.parse(await readFile(join(path, 'config.json'), 'utf8')) as Readonly<Record<string, unknown>> // prettier-ignore

/** The first units of couplings of a kind, so many of each group. */
const first = ({ couplings = [] }: Model, kind: string, left: number): Change => ({
  keep: new Map(
    couplings
      .filter(each => each.kind === kind)
      .map(({ name, units, perGroup = units }) => [
        name,
        Array.from({ length: units }, (_, unit) => unit).filter(unit => unit % perGroup < left),
      ]),
  ),
})

it.each<readonly [string, PicoLlamaOptions, OnnxDecoderOptions, string, number, Readonly<Record<string, unknown>>]>([
  ['heads', {}, {}, 'heads', 1, { num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8, hidden_size: 32 }],
  ['queries', { layers: 1 }, {}, 'queries', 1, { num_attention_heads: 2, num_key_value_heads: 2, head_dim: 8 }],
  [
    'fused',
    { layers: 1, hidden: 64 },
    { attention: 'fused' },
    'heads',
    1,
    { num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16 },
  ],
  ['stream', { layers: 1 }, {}, 'stream', 24, { num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, hidden_size: 24 }],
  ['neurons', { layers: 1 }, {}, 'neurons', 48, { intermediate_size: 48, num_attention_heads: 4, hidden_size: 32 }],
])('writes what is left, and says it in the config: %s', async (name, options, how, kind, left, told) => {
  const model = await decoder(options, how)
  const small = await shrink(model, first(model, kind, left))
  const sources = name === 'heads' || process.env.TERSOR_SLOW === '1' ? [model, small] : [model] // once also from what is small already
  for (const source of sources) {
    const path = await write(`${name}-${source === model ? 'large' : 'small'}`, source, small)
    expect((await readdir(path)).sort()).toEqual(['.tersor.json', 'config.json', 'generation_config.json', 'onnx', 'tokenizer.json'])
    expect(await configIn(path)).toMatchObject(told)
    const again = (await openModel(path)) as Decoder
    expect(apart(await logits(again), await logits(small))).toBeLessThan(1e-5)
    expect(again.decoding!.attention.map(({ heads, keyHeads }) => [heads, keyHeads])).toEqual(
      small.decoding!.attention.map(({ heads, keyHeads }) => [heads, keyHeads]),
    )
    await again.close!()
  }
})

it('writes key heads that differ from layer to layer as lists, with a note, and by itself', async () => {
  const model = await decoder()
  const [one] = model.couplings!.filter(({ kind }) => kind === 'heads')
  const small = await shrink(model, { keep: new Map([[one.name, [1]]]) })
  const path = join(folder, 'differing-small')
  for (const sink of [
    onnxGraphFolderSink(path, { source: model.onnx, around: model.folder! }),
    onnxSink(join(folder, 'differing.onnx'), { source: model.onnx }),
  ]) {
    for (const each of small.params.names()) await sink.write(each, await small.params.read(each))
    const store = (await sink.finish()) as ParameterStore & { readonly notes?: readonly string[] }
    if (store.notes) expect(store.notes[0]).toContain('layers keep 1, 2 key heads')
    await store.close!()
  }
  expect(await configIn(path)).toMatchObject({ num_attention_heads: [2, 4], num_key_value_heads: [1, 2], head_dim: 8 })
  for (const file of [path, join(folder, 'differing.onnx')]) {
    const again = (await openModel(file)) as OnnxModel
    expect(again.inputs.filter(({ name }) => name.endsWith('.key')).map(({ shape }) => shape![1])).toEqual([1, 2])
    expect(apart(await logits(again), await logits(small))).toBeLessThan(1e-5)
    await again.close!()
  }
})

it('refuses heads that the config has no place for, and leaves nothing', async () => {
  const model = await decoder()
  const bare = { ...model.folder!, files: { 'config.json': new TextEncoder().encode('{}') } }
  const small = await shrink(model, first(model, 'heads', 1))
  const sink = onnxGraphFolderSink(join(folder, 'untold-small'), { source: model.onnx, around: bare })
  for (const each of small.params.names()) await sink.write(each, await small.params.read(each))
  await expect(sink.finish()).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  expect((await readdir(folder)).filter(name => name.startsWith('untold-small'))).toEqual([])
})

it('cuts heads of whole groups out of weights that a graph holds as MatMulNBits', async () => {
  const four = await compress(picoLlama({ layers: 1, hidden: 128, heads: 4, keyValueHeads: 2 }), rtn({ bits: 4, group: 32 }))
  const model = await decoderGraphOf(join(folder, 'four'), four)
  const change = first(model, 'heads', 1)
  const small = await shrink(model, change)
  expect(apart(await logits(small), await logits(switchedOff(model, change)))).toBeLessThan(1e-5)
  const path = await write('four-small', model, small)
  expect(await readdir(join(path, 'onnx'))).toEqual(['model_q4.onnx'])
  expect(await configIn(path)).toMatchObject({ num_attention_heads: 2, num_key_value_heads: 1, head_dim: 32 })
  const again = (await openModel(path)) as Decoder
  expect(apart(await logits(again), await logits(small))).toBeLessThan(1e-5)
  await again.close!()
  await model.close!()
})

describeData('lm/shakespeare-llama', 'a trained decoder', () => {
  it('shrinks as a graph to what it shrinks to as a network', async () => {
    const network = (await openModel(join(DATA, 'lm/shakespeare-llama'))) as LanguageModel
    const graph = await decoderGraphOf(join(folder, 'shakespeare'), network)
    const pass = structured({ units: ['neurons', 'heads'], keep: 0.5 })
    const [small, large] = [await compress(graph as OnnxModel, pass), await compress(network, pass)]
    expect(apart(await logits(small), await logits(large))).toBeLessThan(1e-3)
    expect(apart(await logits(small), await logits(network))).toBeGreaterThan(0.1)
    await graph.close!()
    await network.close?.()
  })
})
