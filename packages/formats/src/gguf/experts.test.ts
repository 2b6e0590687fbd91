import '@tensorflow/tfjs-backend-cpu'
import { affineOf, createRng, decode } from '@tersor/core'
import { fromFloat32, toFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { failure, temporaryFolder } from '../files/failing-file-system.fixture.js'
import { encodeGgufHeader } from './encode-header.js'
import type { Json } from '../files/json-text.js'
import { encodeBlocks, ggufSink, openGguf, parseGgufHeader, type GgufSinkOptions } from '../gguf.js'

const COUNT = 3
const base: Json = {
  ...{ vocab_size: 6, hidden_size: 64, num_hidden_layers: 1, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 64, rms_norm_eps: 1e-5, head_dim: 16 },
}
const mixtral: Json = { ...base, model_type: 'mixtral', num_local_experts: COUNT, num_experts_per_tok: 2 }
const qwen: Json = {
  ...base,
  model_type: 'qwen3_moe',
  num_experts: COUNT,
  num_experts_per_tok: 2,
  moe_intermediate_size: 96,
  norm_topk_prob: true,
}
const shared: Json = { ...qwen, model_type: 'qwen2_moe', norm_topk_prob: false, shared_expert_intermediate_size: 32 }

const rng = createRng(5)
const normals = (shape: readonly number[], scale = 1): Dense =>
  fromFloat32(
    Float32Array.from({ length: shape.reduce((product, extent) => product * extent, 1) }, () => scale * rng.normal()),
    'f32',
    shape,
  )
const LAYER = 'model.layers.0'
const experts = (place: string, names: readonly [string, string, string]): Record<string, Parameter> => ({
  [`${LAYER}.${place}.gate.weight`]: normals([COUNT, 64]),
  ...Object.fromEntries(
    Array.from({ length: COUNT }, (_, expert) =>
      names.map((name, i) => [`${LAYER}.${place}.experts.${expert}.${name}.weight`, normals(i === 2 ? [64, 96] : [96, 64])] as const),
    ).flat(),
  ),
})
const ofMixtral = experts('block_sparse_moe', ['w1', 'w3', 'w2'])
const ofQwen = experts('mlp', ['gate_proj', 'up_proj', 'down_proj'])

let dir: string
let path: string
beforeEach(async () => {
  dir = await temporaryFolder()
  path = `${dir}/a.gguf`
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const save = async (config: Json, parameters: Record<string, Parameter>, options: Partial<GgufSinkOptions> = {}) => {
  const sink = ggufSink(path, { config, ...options })
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  const store = await sink.finish()
  await store.close?.()
  return store
}
const headerOf = () => parseGgufHeader(new Uint8Array(readFileSync(path)), readFileSync(path).length)!

it.each<[string, Json, Record<string, Parameter>]>([
  ['Mixtral', mixtral, ofMixtral],
  ['Qwen3 with experts', qwen, ofQwen],
])('keeps the experts of %s in stacks, whatever order they come in', async (_, config, parameters) => {
  await save(config, Object.fromEntries(Object.entries(parameters).toReversed()))
  const { tensors } = headerOf()
  expect(Object.fromEntries([...tensors].map(([name, { type, shape }]) => [name, [type, ...shape]]))).toEqual({
    'blk.0.ffn_gate_inp.weight': ['f32', COUNT, 64],
    'blk.0.ffn_gate_exps.weight': ['f32', COUNT, 96, 64],
    'blk.0.ffn_up_exps.weight': ['f32', COUNT, 96, 64],
    'blk.0.ffn_down_exps.weight': ['f32', COUNT, 64, 96],
  })
  const file = await openGguf(path)
  expect([...file.params.names()].sort()).toEqual(Object.keys(parameters).sort())
  for (const [name, parameter] of Object.entries(parameters)) expect(await file.params.read(name)).toEqual(parameter)
  await file.close()
})

it('keeps experts that every token takes, with their gate as the file wants it', async () => {
  const beside = {
    ...ofQwen,
    [`${LAYER}.mlp.shared_expert_gate.weight`]: normals([1, 64]),
    [`${LAYER}.mlp.shared_expert.up_proj.weight`]: normals([32, 64]),
    [`${LAYER}.mlp.shared_expert.gate_proj.weight`]: normals([32, 64]),
    [`${LAYER}.mlp.shared_expert.down_proj.weight`]: normals([64, 32]),
  }
  await save(shared, beside)
  expect(headerOf().tensors.get('blk.0.ffn_gate_inp_shexp.weight')!.shape).toEqual([64])
  expect(headerOf().tensors.get('blk.0.ffn_down_shexp.weight')!.shape).toEqual([64, 32])
  const file = await openGguf(path)
  expect(file.config).toMatchObject({ model_type: 'qwen2_moe', shared_expert_intermediate_size: 32 })
  for (const [name, parameter] of Object.entries(beside)) expect(await file.params.read(name)).toEqual(parameter)
  await file.close()
})

it('rounds each expert by its own importance, and leaves routers as they are', async () => {
  const name = (expert: number) => `${LAYER}.mlp.experts.${expert}.up_proj.weight`
  const sums = Float32Array.from({ length: COUNT * 64 }, (_, i) => 1 + ((i * 7) % 13))
  const imatrix = { entries: new Map([['blk.0.ffn_up_exps.weight', { sums, calls: [1, 2, 0] }]]) }
  const store = await save(qwen, ofQwen, { type: 'q4_0', imatrix })
  expect(headerOf().tensors.get('blk.0.ffn_gate_inp.weight')!.type).toBe('f32')
  const { offset } = headerOf().tensors.get('blk.0.ffn_up_exps.weight')!
  const bytes = new Uint8Array(readFileSync(path)).subarray(offset)
  const size = (96 * 64 * 18) / 32
  for (let expert = 0; expert < COUNT; expert++) {
    const mine = sums.subarray(expert * 64, (expert + 1) * 64)
    const importance = [mine, mine.map(sum => sum / 2), new Float32Array(64).fill(1)][expert]
    const wanted = encodeBlocks('q4_0', toFloat32(ofQwen[name(expert)] as Dense), { importance })
    expect(bytes.subarray(expert * size, (expert + 1) * size)).toEqual(wanted)
  }
  expect(store.notes).toContain(
    'importance: 2 matrices were rounded without, as it has no entry for them: blk.0.ffn_gate_exps.weight, blk.0.ffn_down_exps.weight',
  )
})

it('takes one type for a stack whose experts have codes of different widths, without loss', async () => {
  const grid = (bits: number): Parameter =>
    affineOf({
      ...{ shape: [96, 64], bits, group: 32 },
      codes: Array.from({ length: 96 * 64 }, () => rng.integer(2 ** bits)),
      scales: Array.from({ length: 192 }, () => (1 + rng.integer(100)) / 1024),
    })
  const parameters = {
    ...ofQwen,
    ...Object.fromEntries([4, 8, 5].map((bits, expert) => [`${LAYER}.mlp.experts.${expert}.up_proj.weight`, grid(bits)])),
  }
  await save(qwen, parameters)
  expect(headerOf().tensors.get('blk.0.ffn_up_exps.weight')!.type).toBe('q8_0')
  const file = await openGguf(path)
  for (let expert = 0; expert < COUNT; expert++) {
    const name = `${LAYER}.mlp.experts.${expert}.up_proj.weight`
    expect(await decode(await file.params.read(name)).data()).toEqual(await decode(parameters[name]).data())
  }
  await file.close()
  const mixed = { ...parameters, [`${LAYER}.mlp.experts.1.up_proj.weight`]: normals([96, 64]) }
  await save(qwen, mixed, { overwrite: true })
  expect(headerOf().tensors.get('blk.0.ffn_up_exps.weight')!.type).toBe('f32')
})

it('refuses missing experts, experts too many, of other shapes, and experts of a network without', async () => {
  const { [`${LAYER}.mlp.experts.1.up_proj.weight`]: _one, ...missing } = ofQwen
  expect(await failure(() => save(qwen, missing))).toBe(
    'BAD_DATA: blk.0.ffn_up_exps.weight has 2 of 3 experts.\nWrite every expert of every layer.',
  )
  expect(await failure(() => save(qwen, { [`${LAYER}.mlp.experts.3.up_proj.weight`]: normals([96, 64]) }))).toBe(
    `BAD_DATA: "${LAYER}.mlp.experts.3.up_proj.weight" is none of the 3 experts of the config.\nPass the config of this model.`,
  )
  const other = { ...ofQwen, [`${LAYER}.mlp.experts.1.up_proj.weight`]: normals([64, 64]) }
  expect(await failure(() => save(qwen, other))).toBe(
    `SHAPE: "${LAYER}.mlp.experts.1.up_proj.weight" is [64, 64], but other experts are [96, 64].\nExperts of a layer have one shape.`,
  )
  expect(await failure(() => save({ ...base, model_type: 'llama' }, ofMixtral))).toMatch(
    /^UNSUPPORTED: GGUF has no place for "model\.layers\.0\.block/,
  )
})

it('refuses a stack that the config does not fit', async () => {
  await save(qwen, ofQwen)
  const bytes = new Uint8Array(readFileSync(path))
  const key = 'qwen3moe.expert_count'
  bytes[Buffer.from(bytes).indexOf(key) + key.length + 4] = 5
  expect(await failure(() => openGguf(new Blob([bytes])))).toMatch(
    /^BAD_FILE: Tensor "blk\.0\.\w+" has the shape \[3, \d+, \d+\], which is no stack of 5 experts\.\n|^BAD_FILE: Tensor "blk\.0\.ffn_\w+\.weight" has the shape/,
  )
})

it('refuses millions of experts that take no room, before they get names', async () => {
  await save(qwen, ofQwen)
  const { metadata } = headerOf()
  const many = 16_000_000
  const counted = new Map([...metadata, ['qwen3moe.expert_count', { type: 'u32', value: many }] as const])
  const name = 'blk.0.ffn_up_exps.weight'
  const header = encodeGgufHeader(counted, [{ name, type: 'f32', shape: [many, 0, 64], offset: 0 }])
  const before = process.memoryUsage().heapUsed
  expect(await failure(() => openGguf(new Blob([header as BlobPart])))).toMatch(
    /^BAD_FILE: Tensor "blk\.0\.ffn_up_exps\.weight" stacks 16000000 experts in 0 bytes\.\n/,
  )
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 << 20)
})
