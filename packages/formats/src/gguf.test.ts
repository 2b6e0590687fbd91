import '@tensorflow/tfjs-backend-cpu'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { affineOf, blocksToTree, createRng, decode as decodeTree, factoredOf, maskedOf, sumOf, treeToBlocks } from '@tersor/core'
import { fromFloat32, fromIntegers, toFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { blobSource } from './files/byte-source.js'
import { failingFileSystem, failure, temporaryFolder } from './files/failing-file-system.fixture.js'
import { decodeBlocks, encodeBlocks, ggufSink, openGguf, parseGgufHeader, type GgufSinkOptions, type GgufValue } from './gguf.js'
import { encodeGgufHeader, type TensorInfo } from './gguf/encode-header.js'
import { readHeader } from './gguf/open.js'

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  vocab_size: 6,
  max_position_embeddings: 64,
  hidden_size: 64,
  num_hidden_layers: 1,
  intermediate_size: 96,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  head_dim: 16,
  rope_theta: 10000,
  rope_scaling: null,
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: true,
  bos_token_id: null,
  eos_token_id: null,
}
const Q = 'model.layers.0.self_attn.q_proj.weight'
const UP = 'model.layers.0.mlp.up_proj.weight'
const rng = createRng(3)
const normals = (shape: readonly number[], dtype: 'f32' | 'bf16' | 'f16' = 'f32'): Dense => {
  const size = shape.reduce((product, extent) => product * extent, 1)
  return fromFloat32(Float32Array.from({ length: size }, rng.normal), dtype, shape)
}
/** A tree with random codes and scales that halves hold. */
const grid = (shape: readonly [number, number], bits: number, group: number, zeros?: number): Encoded => {
  const groups = shape[1] / group
  return affineOf({
    shape,
    bits,
    group,
    codes: Array.from({ length: shape[0] * shape[1] }, () => rng.integer(2 ** bits)),
    scales: Array.from({ length: shape[0] * groups }, () => (1 + rng.integer(100)) / 1024),
    ...(zeros === undefined ? {} : { zeros: new Array<number>(shape[0] * groups).fill(zeros) }),
  })
}

let dir: string
let path: string
beforeEach(async () => {
  dir = await temporaryFolder()
  path = `${dir}/a.gguf`
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const save = async (parameters: Record<string, Parameter>, options: Partial<GgufSinkOptions> = {}) => {
  const sink = ggufSink(path, { config, ...options })
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  const store = await sink.finish()
  await store.close?.()
  return store.report
}
const readBack = async (name: string): Promise<Parameter> => {
  const { params, close } = await openGguf(path)
  const parameter = await params.read(name)
  await close()
  return parameter
}

describe('blocks', () => {
  it('quantizes as computed by hand', () => {
    const values = new Float32Array(32)
    values.set([-8, 4, 0.4, 0.5], 0)
    values[16] = 7
    // q4_0: scale −8 / −8 = 1 (f16 0x3c00); codes trunc(w + 8.5): 0, 12, 8, 9; element 16 → 15
    const q4 = encodeBlocks('q4_0', values)
    expect([...q4.subarray(0, 6)]).toEqual([0x00, 0x3c, 0xf0, 0x8c, 0x88, 0x89])
    expect([...decodeBlocks('q4_0', q4).subarray(0, 4)]).toEqual([-8, 4, 0, 1])
    // q8_0: scale 8/127 = 0.06299 (f16 0x2c08); −8 → −127, 4 → 63.5 → 64, 0.4 → 6.35 → 6
    const q8 = encodeBlocks('q8_0', values)
    expect([...q8.subarray(0, 5)]).toEqual([0x08, 0x2c, 256 - 127, 64, 6])
    expect(encodeBlocks('q8_0', new Float32Array(64))).toEqual(new Uint8Array(68))
  })

  it('takes whole blocks only', async () => {
    expect(await failure(() => encodeBlocks('q4_0', new Float32Array(33)))).toBe(
      'SHAPE: q4_0 takes a multiple of 32 values, got 33.\nPass whole rows of a tensor.',
    )
    expect(await failure(() => decodeBlocks('q8_0', new Uint8Array(33)))).toBe(
      'SHAPE: q8_0 takes a multiple of 34 bytes, got 33.\nPass whole rows of a tensor.',
    )
  })
})

describe('a Llama in GGUF', () => {
  it('comes back with names, config, values and provenance of the hub', async () => {
    const provenance = [{ method: 'rtn', options: { bits: 4 }, seed: 1, version: '0.1.0' }]
    const written = {
      'model.embed_tokens.weight': normals([6, 64], 'bf16'),
      [Q]: normals([64, 64]),
      'model.layers.0.self_attn.q_proj.bias': normals([64]),
      'model.layers.0.self_attn.k_proj.weight': normals([32, 64], 'f16'),
      'model.layers.0.post_attention_layernorm.weight': normals([64], 'bf16'),
      'model.norm.weight': normals([64]),
      'lm_head.weight': normals([6, 64]),
      'model.layers.0.self_attn.rotary_emb.inv_freq': normals([8]),
    }
    const report = await save(written, { provenance, metadata: new Map([['general.name', { type: 'string', value: 'tiny' }]]) })
    expect(report.map(({ type }) => type)).toEqual(['bf16', 'f32', 'f32', 'f16', 'f32', 'f32'])
    expect(report.every(({ lossless }) => lossless)).toBe(true)
    const file = await openGguf(path)
    expect(file.config).toEqual({ ...config, attention_bias: true })
    expect(file.provenance).toEqual(provenance)
    expect(file.metadata.get('general.name')).toEqual({ type: 'string', value: 'tiny' })
    expect(file.metadata.get('tokenizer.ggml.model')).toEqual({ type: 'string', value: 'no_vocab' })
    expect(file.tokenizer).toBeUndefined()
    const { 'lm_head.weight': _head, 'model.layers.0.self_attn.rotary_emb.inv_freq': _derived, ...kept } = written
    expect(file.params.names()).toEqual(Object.keys(kept))
    for (const [name, parameter] of Object.entries(kept))
      expect(toFloat32((await file.params.read(name)) as Dense)).toEqual(toFloat32(parameter))
    expect(file.params.info(Q)).toEqual({ shape: [64, 64], byteLength: 16384, dtype: 'f32' })
    await file.close()
    const { tensors } = parseGgufHeader(new Uint8Array(readFileSync(path)), readFileSync(path).length)!
    expect([...tensors.keys()]).toEqual([
      'token_embd.weight',
      'blk.0.attn_q.weight',
      'blk.0.attn_q.bias',
      'blk.0.attn_k.weight',
      'blk.0.ffn_norm.weight',
      'output_norm.weight',
    ])
  })

  it.each<[string, Encoded, string]>([
    ['symmetric 4-bit codes', grid([64, 64], 4, 32), 'q4_0'],
    ['groups of 64', grid([64, 64], 4, 64), 'q4_0'],
    ['2-bit codes', grid([64, 64], 2, 32), 'q4_0'],
    ['symmetric 8-bit codes', grid([64, 64], 8, 32), 'q8_0'],
    ['5-bit codes', grid([64, 64], 5, 64), 'q5_0'],
    ['6-bit codes', grid([64, 64], 6, 64), 'q8_0'],
    ['4-bit codes off the middle', grid([64, 64], 4, 32, 3), 'q5_0'],
    ['4-bit codes with the middle spelled out', grid([64, 64], 4, 32, 8), 'q4_0'],
    [
      'masked codes',
      maskedOf(
        Array.from({ length: 4096 }, (_, i) => i % 2),
        grid([64, 64], 4, 32),
      ),
      'q4_0',
    ],
    ['one scale for all', affineOf({ shape: [64, 64], bits: 4, group: 64, codes: new Uint8Array(4096).fill(3), scales: [0.5] }), 'q4_0'],
    [
      'masked plain values',
      maskedOf(
        Array.from({ length: 4096 }, (_, i) => i % 2),
        normals([64, 64], 'bf16'),
      ),
      'bf16',
    ],
  ])('keeps %s without loss', async (_, tree, type) => {
    const decode = async (): Promise<Float32Array> => Promise.reject(new Error('must not decode'))
    const report = await save({ [Q]: tree, [UP]: tree }, { decode })
    expect(report).toMatchObject([
      { name: Q, type, lossless: true },
      { name: UP, type, lossless: true },
    ])
    for (const name of [Q, UP]) expect(await decodeTree(await readBack(name)).data()).toEqual(await decodeTree(tree).data())
  })

  it.each([4, 8])('writes %i-bit trees that it read back to the same bytes', async bits => {
    await save({ [Q]: grid([64, 64], bits, 32), [UP]: grid([96, 64], bits, 32) })
    const first = readFileSync(path)
    const file = await openGguf(path)
    const parameters = { [Q]: await file.params.read(Q), [UP]: await file.params.read(UP) }
    expect(file.params.info(Q)).toEqual({ shape: [64, 64], byteLength: 128 * (bits === 4 ? 18 : 34), codec: 'affine' })
    await file.close()
    await save(parameters, { overwrite: true })
    expect(readFileSync(path)).toEqual(first)
  })

  it('gives back the same tree: codes, scales, group', async () => {
    const tree = grid([96, 64], 4, 32)
    await save({ [UP]: tree })
    expect(await readBack(UP)).toEqual(tree)
  })

  it.each<[string, Parameter, string]>([
    ['asymmetric 8-bit codes', grid([64, 64], 8, 32, 0), 'f16'],
    ['groups of 16', grid([64, 64], 4, 16), 'f16'],
    [
      'zeros between codes',
      affineOf({
        ...{ shape: [64, 64], bits: 4, group: 64, codes: new Uint8Array(4096) },
        ...{ scales: new Float32Array(64).fill(0.5), zeros: new Float32Array(64).fill(7.5) },
      }),
      'f16',
    ],
    [
      'scales that halves do not hold',
      affineOf({ shape: [64, 64], bits: 4, group: 64, codes: new Uint8Array(4096), scales: new Array(64).fill(1e-6) }),
      'f16',
    ],
    [
      'rows that do not fill blocks',
      affineOf({ shape: [64, 40], bits: 4, group: 40, codes: new Uint8Array(2560).fill(9), scales: new Array(64).fill(0.5) }),
      'f16',
    ],
    ['a low-rank product', factoredOf(normals([64, 2]), normals([2, 64])), 'f16'],
    ['a sum', sumOf(grid([64, 64], 4, 32), factoredOf(normals([64, 2]), normals([2, 64]))), 'f16'],
    ['integers', fromIntegers(new Uint8Array(4096).fill(3), 'u8', [64, 64]), 'f16'],
  ])('decodes %s and says so', async (_, parameter, type) => {
    expect(await save({ [Q]: parameter, [UP]: parameter })).toMatchObject([
      { name: Q, type, lossless: false },
      { name: UP, type, lossless: false },
    ])
    const expected = await decodeTree(parameter).data()
    for (const name of [Q, UP]) {
      const values = toFloat32((await readBack(name)) as Dense)
      const off = values.findIndex((value, i) => Math.abs(value - expected[i]) > Math.abs(expected[i]) * 2 ** -10 + 2 ** -24)
      expect(off).toBe(-1)
    }
  })

  it('falls back to other types on request, and to f16 where rows do not fill blocks', async () => {
    const product = (columns: number): Encoded => factoredOf(normals([64, 2]), normals([2, columns]))
    expect(await save({ [UP]: product(64) }, { fallback: 'q8_0' })).toMatchObject([{ type: 'q8_0', byteLength: 128 * 34, lossless: false }])
    expect(await save({ [UP]: product(40) }, { fallback: 'q8_0', overwrite: true })).toMatchObject([{ type: 'f16' }])
    expect(await save({ [UP]: product(40) }, { fallback: 'f32', overwrite: true })).toMatchObject([{ type: 'f32' }])
  })

  it.each<[GgufSinkOptions['type'], number, string, string | undefined]>([
    ['q4_k', 256, 'q4_k', undefined],
    ['q2_k', 96, 'iq4_nl', 'q2_k'],
    ['q3_k', 96, 'iq4_nl', 'q3_k'],
    ['iq4_xs', 96, 'iq4_nl', 'iq4_xs'],
    ['q4_k', 96, 'q5_0', 'q4_k'],
    ['q5_k', 96, 'q5_1', 'q5_k'],
    ['q6_k', 96, 'q8_0', 'q6_k'],
    ['q6_k', 40, 'f16', 'q6_k'],
    ['mxfp4', 40, 'f16', 'mxfp4'],
  ])('quantizes matrices to %s where rows of %i allow, else to %s', async (type, columns, stored, insteadOf) => {
    const weight = normals([16, columns])
    const norm = normals([columns])
    const report = await save({ [UP]: weight, 'model.norm.weight': norm }, { type })
    expect(report).toEqual([
      { name: UP, type: stored, byteLength: expect.any(Number), lossless: false, ...(insteadOf ? { insteadOf } : {}) },
      { name: 'model.norm.weight', type: 'f32', byteLength: 4 * columns, lossless: true },
    ])
    const file = await openGguf(path)
    const read = await file.params.read(UP)
    if (stored === 'q4_k') {
      expect(file.params.info(UP)).toEqual({ shape: [16, columns], byteLength: 16 * 144, dtype: 'f32', storedAs: 'q4_k' })
      expect(toFloat32(read as Dense)).toEqual(decodeBlocks('q4_k', encodeBlocks('q4_k', toFloat32(weight))))
      expect(file.metadata.get('general.file_type')).toEqual({ type: 'u32', value: 14 })
    }
    await file.close()
  })

  it('quantizes with importance, codes of another type too, and puts rows in order first', async () => {
    const sums = Float32Array.from({ length: 64 }, (_, i) => 1 + (i % 5))
    const imatrix = { entries: new Map([['blk.0.attn_q.weight', { sums, calls: [2] }]]) }
    const weight = normals([64, 64])
    const report = await save({ [Q]: weight, [UP]: grid([64, 64], 4, 32) }, { type: 'q4_1', imatrix })
    expect(report).toMatchObject([
      { type: 'q4_1', lossless: false },
      { type: 'q4_1', lossless: false, again: true },
    ])
    const importance = sums.map(sum => sum / 2)
    const expected = decodeBlocks('q4_1', encodeBlocks('q4_1', toFloat32(weight), { importance }))
    expect(toFloat32((await readBack(Q)) as Dense)).toEqual(expected)
    expect(decodeBlocks('q4_1', encodeBlocks('q4_1', toFloat32(weight)))).not.toEqual(expected)
  })

  it.each(['q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k', 'iq4_xs', 'iq4_nl', 'q4_1', 'q5_1', 'mxfp4'] as const)(
    'stores the very codes of a tree that blocks of %s hold, rows in order',
    async type => {
      const weight = normals([64, 256])
      const tree = blocksToTree(type, encodeBlocks(type, toFloat32(weight)), [64, 256])
      expect(await save({ [Q]: tree, [UP]: tree })).toMatchObject([
        { type, lossless: true },
        { type, lossless: true },
      ])
      const ours = readFileSync(path)
      await save({ [Q]: weight, [UP]: weight }, { type, overwrite: true })
      expect(ours.equals(readFileSync(path))).toBe(true)
      expect(toFloat32((await readBack(Q)) as Dense)).toEqual(decodeBlocks(type, encodeBlocks(type, toFloat32(weight))))
    },
  )

  it.each(['q3_k', 'q6_k'] as const)('keeps removed weights removed in blocks of %s, and the others as they are', async type => {
    const tree = blocksToTree(type, encodeBlocks(type, toFloat32(normals([4, 256]))), [4, 256])
    const mask = Uint8Array.from({ length: 1024 }, (_, i) => (i % 4 < 2 ? 1 : 0))
    expect(await save({ [UP]: maskedOf(mask, tree) })).toMatchObject([{ type, lossless: true }])
    const whole = decodeBlocks(type, treeToBlocks(tree)!.bytes)
    const read = toFloat32((await readBack(UP)) as Dense)
    expect(Array.from(read, value => value + 0)).toEqual(Array.from(whole, (value, i) => (mask[i] ? value : 0) + 0))
  })

  it.each(['q4_k', 'iq4_nl'] as const)('decodes masks over %s, which has no code for zero', async type => {
    const tree = blocksToTree(type, encodeBlocks(type, toFloat32(normals([4, 256]))), [4, 256])
    expect(await save({ [UP]: maskedOf(new Uint8Array(1024), tree) })).toMatchObject([{ type: 'f16', lossless: false }])
  })

  it('refuses block types that do not exist and importance of another width', async () => {
    expect(await failure(() => save({ [UP]: normals([4, 64]) }, { type: 'q4_9' as never }))).toMatch(
      /^BAD_OPTION: There is no type "q4_9" for matrices\.\nTypes are f32, f16, bf16, q4_0, q4_1, /,
    )
    const imatrix = { entries: new Map([['blk.0.ffn_up.weight', { sums: new Float32Array(32), calls: [1] }]]) }
    expect(await failure(() => save({ [UP]: normals([4, 64]) }, { type: 'q4_0', imatrix }))).toBe(
      'SHAPE: The importance matrix has 32 numbers for the 64 columns of "model.layers.0.mlp.up_proj.weight".\nPass the matrix of this model.',
    )
  })

  it('stores vectors as f32 whatever they are', async () => {
    expect(await save({ 'model.norm.weight': fromIntegers(new Uint8Array(64), 'u8', [64]) })).toMatchObject([
      { type: 'f32', lossless: false },
    ])
  })

  it.each<[string, object]>([
    ['linear rope scaling', { rope_scaling: { rope_type: 'linear', factor: 4 } }],
    ['a sliding window', { model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 12 }],
    ['qwen2', { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] }],
    ['qwen3', { model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'], head_dim: 24 }],
  ])('keeps %s', async (_, more) => {
    await save({ [UP]: normals([96, 64]) }, { config: { ...config, ...more } })
    const file = await openGguf(path)
    expect(file.config).toEqual({ ...config, ...more })
    await file.close()
  })

  it('keeps llama3 rope scaling as a tensor of factors, and takes the config of transformers 5', async () => {
    const rope = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 }
    const { rope_theta: _theta, rope_scaling: _scaling, ...rest } = config
    await save({ [UP]: normals([96, 64]) }, { config: { ...rest, rope_parameters: { ...rope, rope_theta: 100 } } })
    const file = await openGguf(path)
    expect(file.params.names()).toEqual([UP])
    expect(file.config!.rope_theta).toBe(100)
    expect(file.config!.rope_scaling).toEqual({
      ...rope,
      high_freq_factor: expect.closeTo(4, 3),
      original_max_position_embeddings: expect.closeTo(32, 2),
    })
    await file.close()
  })

  it('does not swap rows where pairs are halves already', async () => {
    const weight = normals([64, 64])
    await save({ [Q]: weight }, { config: { ...config, model_type: 'qwen2' } })
    const file = readFileSync(path)
    const { tensors } = parseGgufHeader(new Uint8Array(file), file.length)!
    const { offset, byteLength } = tensors.get('blk.0.attn_q.weight')!
    expect(new Uint8Array(file.subarray(offset, offset + byteLength))).toEqual(weight.bytes)
    expect(await readBack(Q)).toEqual(weight)
  })

  it('carries the tokenizer along', async () => {
    const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
    const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2, '<s>': 3 }, merges: ['a b'] }
    const pre = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
    const tokenizer = { added_tokens: [{ id: 3, content: '<s>', special: true }], pre_tokenizer: pre, model }
    await save({}, { files: { 'tokenizer.json': text(tokenizer), 'tokenizer_config.json': text({ bos_token: '<s>' }) } })
    const file = await openGguf(path)
    expect(file.tokenizer).toMatchObject(tokenizer)
    expect(file.config!.bos_token_id).toBe(3)
    expect(JSON.parse(Buffer.from(file.files['tokenizer_config.json']).toString())).toMatchObject({ bos_token: '<s>' })
    await file.close()
  })
})

describe('failures of writing GGUF', () => {
  it.each<[string, object, RegExp]>([
    [
      'an architecture',
      { model_type: 'gpt2' },
      /^UNSUPPORTED: No GGUF is written for model_type "gpt2"\.\nKnown are llama, mistral, mixtral, qwen2, qwen3, qwen2_moe, qwen3_moe: save others/,
    ],
    [
      'a rope scaling',
      { rope_scaling: { rope_type: 'dynamic', factor: 2 } },
      /^UNSUPPORTED: No GGUF is written for rope scaling "dynamic"\.\nKnown are default, llama3, linear, yarn, longrope: save others/,
    ],
    [
      'a config without sizes',
      { hidden_size: undefined },
      /^BAD_OPTION: The config has no hidden_size\.\nPass the config\.json of the model\.$/,
    ],
  ])('refuses %s before anything is written', async (_, more, error) => {
    expect(await failure(() => ggufSink(path, { config: { ...config, ...more } }))).toMatch(error)
  })

  it('refuses a name without place, a name twice and rows that heads do not divide', async () => {
    expect(await failure(() => save({ 'model.layers.0.mlp.gate.weight': normals([2, 2]) }))).toBe(
      'UNSUPPORTED: GGUF has no place for "model.layers.0.mlp.gate.weight".\nLeave it out, or save as a Hugging Face folder.',
    )
    expect(await failure(() => save({ vision: normals([2, 2]) }))).toMatch(/^UNSUPPORTED/)
    expect(await failure(() => save({ [Q]: normals([6, 64]) }))).toBe(
      `SHAPE: "${Q}" has 6 rows, which 4 heads do not divide.\nPass the config of this model.`,
    )
    const sink = ggufSink(path, { config })
    await sink.write(UP, normals([2, 2]))
    expect(await failure(() => sink.write(UP, normals([2, 2])))).toBe(
      `BAD_DATA: The name "${UP}" is taken already.\nWrite every parameter once.`,
    )
    expect(await failure(() => sink.finish())).toMatch(/^BAD_DATA/)
    expect(readdirSync(dir)).toEqual([])
  })

  it('leaves an existing file alone, and nothing of its own on a full or read-only disk or after an abort', async () => {
    await save({ [UP]: normals([2, 2]) })
    expect(await failure(() => save({}))).toMatch(/^OUTPUT_EXISTS: .*a\.gguf exists\.\nChoose another path, or pass overwrite/)
    await rm(path)
    for (const capacity of [0, 20, 300])
      expect(await failure(() => save({ [UP]: normals([4, 4]) }, { fileSystem: failingFileSystem({ capacity }) }))).toMatch(
        /^DISK: .*ENOSPC.*\nFree some/,
      )
    expect(await failure(() => save({}, { fileSystem: failingFileSystem({ readOnly: true }) }))).toMatch(/^DISK: .*EROFS/)
    const sink = ggufSink(path, { config })
    await sink.write(UP, normals([2, 2]))
    await sink.abort()
    expect(readdirSync(dir)).toEqual([])
  })

  it('says which side file is damaged', async () => {
    expect(await failure(() => ggufSink(path, { config, files: { 'tokenizer.json': new Uint8Array([0x7b]) } }))).toMatch(
      /^BAD_FILE: tokenizer\.json is not JSON/,
    )
  })
})

describe('any GGUF file', () => {
  const ENTRIES: readonly (readonly [string, GgufValue])[] = [
    ['u8', { type: 'u8', value: 255 }],
    ['i8', { type: 'i8', value: -128 }],
    ['u16', { type: 'u16', value: 65535 }],
    ['i16', { type: 'i16', value: -32768 }],
    ['u32', { type: 'u32', value: 2 ** 32 - 1 }],
    ['i32', { type: 'i32', value: -(2 ** 31) }],
    ['f32', { type: 'f32', value: 0.5 }],
    ['bool', { type: 'bool', value: true }],
    ['string', { type: 'string', value: 'grüße 🙂' }],
    ['u64', { type: 'u64', value: 2n ** 64n - 1n }],
    ['small u64', { type: 'u64', value: 7 }],
    ['i64', { type: 'i64', value: -(2n ** 63n) }],
    ['f64', { type: 'f64', value: Math.PI }],
    ['strings', { type: 'list', of: 'string', value: ['', 'a', 'ü'] }],
    ['floats', { type: 'list', of: 'f32', value: [1, -2] }],
    ['nothing', { type: 'list', of: 'u64', value: [] }],
  ]
  const blob = (...pieces: Uint8Array[]): Blob => new Blob(pieces as BlobPart[])

  it('keeps metadata of every type', async () => {
    const { metadata, config: none } = await openGguf(blob(encodeGgufHeader(new Map(ENTRIES), [])))
    expect([...metadata]).toEqual(ENTRIES)
    expect(none).toBeUndefined()
  })

  it('keeps the names and the order of axes of an architecture that it does not know', async () => {
    const metadata = new Map<string, GgufValue>([['general.architecture', { type: 'string', value: 'clip' }]])
    const header = encodeGgufHeader(metadata, [{ name: 'v.blk.0.w', type: 'i16', shape: [2, 3], offset: 0 }])
    const { params, config: none } = await openGguf(blob(header, new Uint8Array(12)))
    expect(none).toBeUndefined()
    expect(params.info('v.blk.0.w')).toEqual({ shape: [2, 3], byteLength: 12, dtype: 'i16' })
    await expect(params.read('v.blk.0.w', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(await failure(() => params.read('w'))).toMatch(/^NOT_FOUND: No parameter is called "w"\./)
  })

  it('reads headers that are longer than the first read', async () => {
    const long: GgufValue = { type: 'list', of: 'string', value: Array.from({ length: 2_000 }, (_, i) => `${i}`.padEnd(800)) }
    const content = blob(encodeGgufHeader(new Map([['long', long]]), []))
    const { metadata } = await openGguf(content)
    expect(metadata.get('long')).toEqual(long)
    expect(await failure(() => readHeader(blobSource(content), 1 << 20))).toBe(
      'BAD_FILE: The header is longer than 1048576 bytes.\nCheck that it is the right file.',
    )
  })

  const bytes = (...pieces: (number | string | bigint | Uint8Array)[]): Uint8Array =>
    Uint8Array.from(
      pieces.flatMap(piece => {
        if (typeof piece === 'bigint') return [...new Uint8Array(BigUint64Array.of(piece).buffer)]
        if (typeof piece === 'number') return [...new Uint8Array(Uint32Array.of(piece).buffer)]
        return typeof piece === 'string' ? [...new TextEncoder().encode(piece)] : [...piece]
      }),
    )
  const pad = new Uint8Array(256)
  const start = (tensors: bigint, entries: bigint): Uint8Array => bytes('GGUF', 3, tensors, entries)
  const tensor = (more: Partial<TensorInfo> = {}): TensorInfo => ({ name: 'a', type: 'f32', shape: [4], offset: 0, ...more })
  const file = (infos: readonly TensorInfo[], data: number, entries: readonly (readonly [string, GgufValue])[] = []): Uint8Array =>
    bytes(encodeGgufHeader(new Map(entries), infos), new Uint8Array(data))
  const info = (axes: number, dims: bigint[], type: number, offset: bigint): Uint8Array => bytes(1n, 'a', axes, ...dims, type, offset)

  it.each<[string, Uint8Array, string]>([
    ['a file too short', bytes('GG'), 'BAD_FILE: The magic number needs 4 bytes from byte 0 on; the file has 2.'],
    ['another magic number', bytes('GGML', pad), 'BAD_FILE: The file does not start with "GGUF".\nPass a .gguf file.'],
    [
      'version 1',
      bytes('GGUF', 1, pad),
      'UNSUPPORTED: The file has GGUF version 1.\nVersions 2 and 3, little-endian, are read: convert the file.',
    ],
    ['more tensors than bytes', start(2n ** 40n, 0n), 'BAD_FILE: The list of tensors needs 26388279066624 bytes'],
    ['a negative count', start(2n ** 64n - 1n, 0n), 'BAD_FILE: The list of tensors needs'],
    ['more entries than bytes', start(0n, 1000n), 'BAD_FILE: The metadata needs 13000 bytes'],
    ['a key longer than the file', bytes(start(0n, 1n), 5000n, pad), 'BAD_FILE: Metadata entry 0 needs 5000 bytes'],
    ['a key that is no text', bytes(start(0n, 1n), 1n, new Uint8Array([0xff]), pad), 'BAD_FILE: Metadata entry 0 is not UTF-8 text.'],
    ['an unknown value type', bytes(start(0n, 1n), 1n, 'k', 99, pad), 'BAD_FILE: Metadata "k" has the unknown type 99.'],
    ['a list of lists', bytes(start(0n, 1n), 1n, 'k', 9, 9, pad), 'BAD_FILE: Metadata "k" is a list of lists.'],
    ['a list longer than the file', bytes(start(0n, 1n), 1n, 'k', 9, 8, 2n ** 30n, pad), 'BAD_FILE: Metadata "k" needs 8589934592 bytes'],
    ['a key twice', bytes(start(0n, 2n), ...[0, 1].flatMap(() => [1n, 'k', 4, 7]), pad), 'BAD_FILE: The metadata has "k" twice.'],
    ['a truncated value', bytes(start(0n, 1n), 1n, 'k', 10, 7), 'BAD_FILE: Metadata "k" needs 8 bytes from byte 37 on; the file has 41.'],
    [
      'an alignment that is no power of two',
      file([], 0, [['general.alignment', { type: 'u32', value: 33 }]]),
      'BAD_FILE: general.alignment is 33;',
    ],
    [
      'an alignment of text',
      file([], 0, [['general.alignment', { type: 'string', value: '32' }]]),
      'BAD_FILE: general.alignment is 32; it must be',
    ],
    [
      'a long tensor name',
      file([tensor({ name: 'n'.repeat(257) })], 16),
      'BAD_FILE: The name of tensor 0 has 257 characters; at most 256 are read.',
    ],
    [
      'five dimensions',
      bytes(start(1n, 0n), info(5, [1n, 1n, 1n, 1n, 1n], 0, 0n), pad),
      'BAD_FILE: Tensor "a" claims 5 dimensions; ggml has at most 4.',
    ],
    [
      'a product that overflows',
      bytes(start(1n, 0n), info(2, [2n ** 40n, 2n ** 40n], 0, 0n), pad),
      'BAD_FILE: The shape of tensor "a" multiplies to more',
    ],
    [
      'an extent that overflows',
      bytes(start(1n, 0n), info(2, [0n, 2n ** 64n - 1n], 0, 0n), pad),
      'BAD_FILE: The shape of tensor "a" multiplies to more',
    ],
    ['an unknown tensor type', bytes(start(1n, 0n), info(1, [4n], 99, 0n), pad), 'BAD_FILE: Tensor "a" has the unknown type 99.'],
    [
      'a tensor type that Tersor lacks',
      bytes(start(1n, 0n), info(1, [256n], 22, 0n), pad),
      'UNSUPPORTED: Tensor "a" has type IQ2_S.\nUse a file of f32, f16,',
    ],
    [
      'rows that do not fill blocks',
      file([tensor({ type: 'q4_0', shape: [33] })], 64),
      'BAD_FILE: Tensor "a" has rows of 33; q4_0 has blocks of 32.',
    ],
    ['a truncated tensor', file([tensor({ shape: [400] })], 16), 'BAD_FILE: Tensor "a" ends at byte'],
    ['an offset beyond the file', file([tensor({ offset: 2 ** 50 })], 16), 'BAD_FILE: Tensor "a" ends at byte'],
    ['a negative offset', bytes(start(1n, 0n), info(1, [4n], 0, 2n ** 64n - 32n), pad), 'BAD_FILE: Tensor "a" ends at byte'],
    ['a misaligned offset', file([tensor({ offset: 4 })], 64), 'BAD_FILE: Tensor "a" starts at byte'],
    [
      'overlapping tensors',
      file([tensor({ shape: [16] }), tensor({ name: 'b', offset: 32 })], 96),
      'BAD_FILE: Tensor "b" overlaps another one.',
    ],
    ['a tensor twice', file([tensor(), tensor({ offset: 32 })], 64), 'BAD_FILE: Tensor "a" comes twice.'],
    [
      'a Llama without sizes',
      file([], 0, [['general.architecture', { type: 'string', value: 'llama' }]]),
      'BAD_FILE: The metadata of this llama model has no embedding_length.',
    ],
    [
      'a broken provenance',
      file([], 0, [['tersor.provenance', { type: 'string', value: '[1]' }]]),
      'BAD_FILE: tersor.provenance has a provenance that is no list',
    ],
  ])('refuses %s', async (_, content, error) => {
    const message = await failure(() => openGguf(blob(content)))
    expect(message).toContain(error)
    expect(message.split('\n')).toHaveLength(2)
  })

  it('refuses strings and lists beyond its limits even where the file is long enough', async () => {
    const large = new Blob([start(0n, 1n) as BlobPart, bytes(BigInt((16 << 20) + 1)) as BlobPart, new Uint8Array(17 << 20)])
    expect(await failure(() => openGguf(large))).toMatch(/^BAD_FILE: Metadata entry 0 claims 16777217 bytes; at most 16777216 are read\.\n/)
    const list = new Blob([start(0n, 1n) as BlobPart, bytes(1n, 'k', 9, 0, BigInt((1 << 24) + 1)) as BlobPart, new Uint8Array(17 << 20)])
    expect(await failure(() => openGguf(list))).toMatch(/^BAD_FILE: Metadata "k" claims 16777217 entries; at most 16777216 are read\.\n/)
  })

  const llama = async (more: Record<string, Parameter>, patch: (file: Uint8Array) => void): Promise<Blob> => {
    await save(more)
    const content = new Uint8Array(readFileSync(path))
    patch(content)
    return blob(content)
  }
  it('refuses query rows that the heads of the file do not divide', async () => {
    const content = await llama({ [Q]: normals([64, 64]) }, file => {
      const at = Buffer.from(file).indexOf('llama.attention.head_count') + 'llama.attention.head_count'.length + 4
      file[at] = 7
    })
    const { params } = await openGguf(content)
    expect(await failure(() => params.read(Q))).toMatch(/^BAD_FILE: Tensor ".*q_proj\.weight" has 64 rows, which 7 heads do not divide\.\n/)
  })

  it('refuses rope factors of another size', async () => {
    const metadata = new Map<string, GgufValue>([
      ['general.architecture', { type: 'string', value: 'llama' }],
      ...['embedding_length', 'attention.head_count', 'block_count'].map(key => [`llama.${key}`, { type: 'u32', value: 4 }] as const),
    ])
    const header = encodeGgufHeader(metadata, [{ name: 'rope_freqs.weight', type: 'f32', shape: [3], offset: 0 }])
    expect(await failure(() => openGguf(blob(header, new Uint8Array(12))))).toMatch(
      /^BAD_FILE: rope_freqs\.weight is not a list of 0\.5 numbers\.\n/,
    )
  })
})
