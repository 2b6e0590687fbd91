import '@tensorflow/tfjs-backend-cpu'
import { affineOf } from '@tersor/core'
import { awqSink } from '@tersor/formats/awq'
import { compressedTensorsSink } from '@tersor/formats/compressed-tensors'
import { ggufSink, openGguf } from '@tersor/formats/gguf'
import { gptqSink } from '@tersor/formats/gptq'
import { huggingFaceSink, openHuggingFace } from '@tersor/formats/huggingface'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { openTfjs, tfjsSink } from '@tersor/formats/tfjs'
import { describeSink, describeStore, type SinkPlace, type SinkSuite } from '@tersor/testing'
import { fromFloat32, memorySink, memoryStore, type Parameter, type ParameterStore } from '@tersor/tensor'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { failingFileSystem, temporaryFolder } from './files/failing-file-system.fixture.js'

/** Options that every writer takes. */
const onDisk = ({ overwrite = false, capacity }: SinkPlace): { overwrite: boolean; fileSystem?: ReturnType<typeof failingFileSystem> } => ({
  overwrite,
  ...(capacity === undefined ? {} : { fileSystem: failingFileSystem({ capacity }) }),
})

const LLAMA = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 8,
  intermediate_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  vocab_size: 8,
  max_position_embeddings: 16,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
}
const matrix = (rows: number, columns: number): Parameter =>
  fromFloat32(
    Float32Array.from({ length: rows * columns }, (_, i) => i / 8),
    'f32',
    [rows, columns],
  )
const WEIGHTS: Readonly<Record<string, Parameter>> = {
  'model.layers.0.mlp.up_proj.weight': matrix(8, 8),
  'model.layers.0.mlp.down_proj.weight': matrix(8, 8),
  'model.norm.weight': fromFloat32([1, 2, 3, 4, 5, 6, 7, 8], 'f32', [8]),
}

const codes = (zeros?: number): Parameter =>
  affineOf({
    shape: [32, 32],
    bits: 4,
    group: 32,
    codes: Array.from({ length: 1024 }, (_, i) => (5 * i) % 16),
    scales: new Array<number>(32).fill(0.25),
    ...(zeros === undefined ? {} : { zeros: new Array<number>(32).fill(zeros) }),
  })
/** Layers of codes beside a plain one. */
const layers = (zeros?: number): Readonly<Record<string, Parameter>> => ({
  'model.layers.0.mlp.up_proj.weight': codes(zeros),
  'model.layers.0.mlp.gate_proj.weight': codes(zeros),
  'model.norm.weight': fromFloat32([1, 2], 'f16', [2]),
})

/** What is opened, as a store that closes the file. */
const storeOf = ({ params, close }: { readonly params: ParameterStore; close(): Promise<void> }): ParameterStore => ({ ...params, close })

const FORMATS: Readonly<Record<string, SinkSuite>> = {
  safetensors: {
    ends: '.safetensors',
    make: (path, place) => safetensorsSink(path, onDisk(place)),
    open: async path => openSafetensors(path),
  },
  'safetensors in shards': {
    make: (path, place) => safetensorsSink(path, { ...onDisk(place), maxShardBytes: 100 }),
    open: async path => openSafetensors(path),
  },
  'a Hugging Face folder': {
    make: (path, place) => huggingFaceSink(path, { config: LLAMA, ...onDisk(place) }),
    open: async path => storeOf(await openHuggingFace(path)),
  },
  'a GPTQ folder': {
    parameters: layers(),
    make: (path, place) => gptqSink(path, { config: LLAMA, ...onDisk(place) }),
    open: async path => storeOf(await openHuggingFace(path)),
  },
  'an AWQ folder': {
    parameters: layers(7),
    make: (path, place) => awqSink(path, { config: LLAMA, ...onDisk(place) }),
    open: async path => storeOf(await openHuggingFace(path)),
  },
  'a compressed-tensors folder': {
    parameters: layers(),
    make: (path, place) => compressedTensorsSink(path, { config: LLAMA, ...onDisk(place) }),
    open: async path => storeOf(await openHuggingFace(path)),
  },
  GGUF: {
    ends: '.gguf',
    parameters: WEIGHTS,
    make: (path, place) => ggufSink(path, { config: LLAMA, ...onDisk(place) }),
    open: async path => storeOf(await openGguf(path)),
  },
  tfjs: {
    make: (path, place) => tfjsSink(path, onDisk(place)),
    open: async path => storeOf(await openTfjs(join(path, 'weights_manifest.json'))),
  },
}

describe.each(Object.entries(FORMATS))('%s', (name, suite) => {
  describeSink(name, suite)

  let folder = ''
  afterAll(() => rm(folder, { recursive: true, force: true }))
  describeStore(name, async () => {
    folder = await temporaryFolder()
    const path = join(folder, `a${suite.ends ?? ''}`)
    const sink = await suite.make(path, {})
    for (const [each, parameter] of Object.entries(suite.parameters ?? { a: matrix(2, 3), b: matrix(3, 1) }))
      await sink.write(each, parameter)
    await (await sink.finish()).close?.()
    return suite.open(path)
  })
})

describeStore('memory', () => memoryStore(WEIGHTS))
describeStore('what a sink in memory gives', async () => {
  const sink = memorySink()
  for (const [name, parameter] of Object.entries(WEIGHTS)) await sink.write(name, parameter)
  return sink.finish()
})
