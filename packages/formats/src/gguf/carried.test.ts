import '@tensorflow/tfjs-backend-cpu'
import { affineOf, createRng } from '@tersor/core'
import { fromFloat32, toFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { failure, failingFileSystem, temporaryFolder } from '../files/failing-file-system.fixture.js'
import { ggufSink, openGguf, parseGgufHeader, type GgufSinkOptions, type GgufValue } from '../gguf.js'
import { encodeGgufHeader, type TensorInfo } from './encode-header.js'

const config = {
  ...{ model_type: 'llama', vocab_size: 6, hidden_size: 64, num_hidden_layers: 1, intermediate_size: 96, num_attention_heads: 4 },
  ...{ max_position_embeddings: 64, rms_norm_eps: 1e-5 },
}
const UP = 'model.layers.0.mlp.up_proj.weight'
const DOWN = 'model.layers.0.mlp.down_proj.weight'
const rng = createRng(5)
const normals = (shape: readonly [number, number], dtype: 'f32' | 'bf16' = 'f32', scale = 1): Dense =>
  fromFloat32(
    Float32Array.from({ length: shape[0] * shape[1] }, () => scale * rng.normal()),
    dtype,
    shape,
  )
/** As `normals`, with one value put in. */
const broken = (value: number, dtype: 'f32' | 'bf16' = 'f32'): Dense => {
  const values = Float32Array.from({ length: 96 * 64 }, rng.normal)
  values[3 * 64 + 5] = value
  return fromFloat32(values, dtype, [96, 64])
}

let dir: string
let path: string
beforeEach(async () => {
  dir = await temporaryFolder()
  path = `${dir}/a.gguf`
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const save = async (parameters: Record<string, Parameter>, options: Partial<GgufSinkOptions> = {}, to = path) => {
  const sink = ggufSink(to, { config, ...options })
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  const store = await sink.finish()
  await store.close?.()
  return store
}
const headerOf = () => parseGgufHeader(new Uint8Array(readFileSync(path)), readFileSync(path).length)!

describe('from GGUF to GGUF', () => {
  const strings = (...value: string[]): GgufValue => ({ type: 'list', of: 'string', value })
  const source = new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.name', { type: 'string', value: 'Tiny' }],
    ['general.tags', strings('a', 'b')],
    ['general.alignment', { type: 'u32', value: 64 }],
    ['general.file_type', { type: 'u32', value: 15 }],
    ['split.count', { type: 'u16', value: 2 }],
    ['quantize.imatrix.file', { type: 'string', value: 'other.dat' }],
    ['llama.block_count', { type: 'u32', value: 99 }],
    ['company.secret', { type: 'u64', value: 2n ** 63n }],
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'a kind to come' }],
    ['tokenizer.ggml.tokens', strings('a', 'b')],
    ['tokenizer.ggml.eot_token_id', { type: 'u32', value: 1 }],
    ['tokenizer.chat_template.rag', { type: 'string', value: '{{ x }}' }],
  ])

  it('keeps every key that the new file does not say itself, and the tokenizer as a whole', async () => {
    await save({ [UP]: normals([96, 64]) }, { carried: source, files: { 'tokenizer.json': new TextEncoder().encode('{}') } })
    const { metadata } = headerOf()
    for (const key of [
      'general.name',
      'general.tags',
      'company.secret',
      ...[...source.keys()].filter(each => each.startsWith('tokenizer.')),
    ])
      expect(metadata.get(key)).toEqual(source.get(key))
    for (const key of ['general.alignment', 'split.count', 'quantize.imatrix.file']) expect(metadata.has(key)).toBe(false)
    expect(metadata.get('llama.block_count')).toEqual({ type: 'u32', value: 1 })
    expect(metadata.get('general.file_type')).toEqual({ type: 'u32', value: 0 })
  })

  it('writes the type that is asked for where matrices are codes already, and says that they were rounded twice', async () => {
    const weight = normals([96, 64])
    await save({ [UP]: weight, [DOWN]: normals([64, 96]) }, { type: 'q8_0' })
    const file = await openGguf(path)
    const parameters = { [UP]: await file.params.read(UP), [DOWN]: await file.params.read(DOWN) }
    await file.close()
    for (const [options, type, fileType] of [
      [{ type: 'q4_0' }, 'q4_0', 2],
      [{ mixture: 'Q4_0' }, 'q4_0', 2],
      [{ type: 'iq4_nl' }, 'iq4_nl', 25],
    ] as const) {
      const { report } = await save(parameters, { ...options, overwrite: true })
      expect(report).toMatchObject([
        { name: UP, type, again: true, lossless: false },
        { name: DOWN, type, again: true, lossless: false },
      ])
      expect(headerOf().metadata.get('general.file_type')!.value).toBe(fileType)
    }
    const { report } = await save(parameters, { type: 'q8_0', overwrite: true })
    expect(report.map(({ lossless, again }) => [lossless, again])).toEqual([[true, undefined], [true, undefined]]) // prettier-ignore
  })

  it('keeps all tokens that end a text', async () => {
    const keys = ['eos', 'eot', 'eom'].map((name, i) => [`tokenizer.ggml.${name}_token_id`, { type: 'u32', value: 3 - i }] as const)
    await save({}, { metadata: new Map(keys) })
    const file = await openGguf(path)
    expect(JSON.parse(new TextDecoder().decode(file.files['generation_config.json']))).toEqual({ eos_token_id: [3, 2, 1] })
    expect(file.config!.eos_token_id).toBe(3)
    await file.close()
  })

  it('says how many rows the embedding has, and cuts the tokenizer to them', async () => {
    await save({ 'model.embed_tokens.weight': normals([4, 64]) })
    expect(headerOf().metadata.get('llama.vocab_size')!.value).toBe(4)
  })

  it('keeps factors that no scaling of Llama 3 has', async () => {
    const factors = Float32Array.from({ length: 8 }, (_, i) => 1 + ((i * 5) % 8))
    const list = [...factors]
    const rope = { rope_type: 'longrope', short_factor: list, long_factor: list, attention_factor: 1 }
    await save({}, { config: { ...config, rope_scaling: rope } })
    const file = await openGguf(path)
    expect(file.config!.rope_scaling).toMatchObject(rope)
    await file.close()
  })
})

describe('numbers that are none', () => {
  it.each([NaN, Infinity, -Infinity])('are refused by name and place where they would be rounded: %d', async value => {
    for (const type of ['q8_0', 'q4_0', 'q4_k', 'iq4_nl', 'mxfp4'] as const)
      expect(await failure(() => save({ [UP]: broken(value) }, { type }))).toBe(
        `NOT_FINITE: "${UP}" holds ${value} at [3, 5].\nIt cannot be rounded to another type: repair the weights first, or leave this one as it is.`,
      )
    expect(await failure(() => save({ [UP]: broken(value) }, { mixture: 'Q4_K_M' }))).toMatch(/^NOT_FINITE: "model\.layers\.0/)
  })

  it('pass where nothing is rounded', async () => {
    await save({ [UP]: broken(NaN, 'bf16') })
    expect(headerOf().tensors.get('blk.0.ffn_up.weight')!.type).toBe('bf16')
  })

  it('become f32 instead of infinite where f16 is the type that is left', async () => {
    const wide = normals([4, 40], 'bf16', 1e5)
    const { report } = await save({ [UP]: wide }, { type: 'q4_0' })
    expect(report).toMatchObject([{ type: 'f32', insteadOf: 'q4_0', lossless: true }])
    const file = await openGguf(path)
    expect(toFloat32((await file.params.read(UP)) as Dense)).toEqual(toFloat32(wide))
    await file.close()
    const codes = affineOf({ shape: [4, 40], bits: 4, group: 40, codes: new Uint8Array(160).fill(15), scales: new Array(4).fill(3e4) })
    expect((await save({ [UP]: codes }, { overwrite: true })).report).toMatchObject([{ type: 'f32', insteadOf: 'f16', lossless: true }])
  })

  it('are refused where the scales of a block type have no room', async () => {
    expect(await failure(() => save({ [UP]: broken(1e30) }, { type: 'q4_0' }))).toBe(
      'NOT_FINITE: The scales of q4_0 have no room for numbers up to 1.00e+30.\nStore these values as f32 or bf16.',
    )
  })
})

describe('importance', () => {
  const matrix = (...names: readonly string[]) => ({
    entries: new Map(names.map(name => [name, { sums: new Float32Array(64).fill(2), calls: [1] }])),
  })
  const notesFor = async (imatrix: GgufSinkOptions['imatrix'] & object, options: Partial<GgufSinkOptions> = { type: 'q4_0' }) =>
    (await save({ [UP]: normals([96, 64]), 'model.embed_tokens.weight': normals([6, 64]) }, { imatrix, ...options })).notes.filter(note =>
      note.startsWith('importance'),
    )

  it('of another model is refused, before anything is written where its names are no tensors', async () => {
    const remedy = '\nPass the matrix of this model: tersor imatrix makes one.'
    const hub = ['model.layers.0.self_attn.q_proj.weight', 'b\nc', 'd', 'e']
    expect(await failure(() => ggufSink(path, { config, imatrix: matrix(...hub) }))).toBe(
      `BAD_DATA: No entry of the importance matrix belongs to a tensor of this model: it has "${hub[0]}", "b\\nc", "d", ….${remedy}`,
    )
    expect(await failure(() => notesFor(matrix('blk.7.ffn_up.weight')))).toBe(
      `BAD_DATA: No entry of the importance matrix belongs to a tensor of this model: it has "blk.7.ffn_up.weight".${remedy}`,
    )
  })

  it('says which entries were not used and which matrices had none', async () => {
    expect(await notesFor(matrix('blk.0.ffn_up.weight'))).toEqual([])
    expect(await notesFor(matrix('token_embd.weight', 'blk.3.ffn_up.weight'), { type: 'q4_0', overwrite: true })).toEqual([
      'importance: 1 matrices were rounded without, as it has no entry for them: blk.0.ffn_up.weight',
      'importance: 1 of its entries belong to nothing that was rounded with it: blk.3.ffn_up.weight',
    ])
    expect(await notesFor(matrix('blk.0.ffn_up.weight'), { overwrite: true })).toEqual([
      'importance: not used, since no matrix was rounded with it',
    ])
  })
})

it('says what llama.cpp makes of a window', async () => {
  const sliding = { ...config, model_type: 'mistral', sliding_window: 12 }
  expect((await save({}, { config: sliding })).notes).toContain(
    'llama.cpp slides no window in this architecture: beyond 12 tokens it gives other results than the original',
  )
  const wide = { ...sliding, sliding_window: 64 }
  expect((await save({}, { config: wide, overwrite: true })).notes.join()).not.toContain('window')
})

describe('a model over several files', () => {
  const info = (name: string, offset = 0): TensorInfo => ({ name, type: 'f32', shape: [1, 4], offset })
  const part = (no: number, of: number, names: readonly string[], more: readonly (readonly [string, GgufValue])[] = []): Uint8Array => {
    const split = (['no', 'count'] as const).map((key, i) => [`split.${key}`, { type: 'u16', value: [no, of][i] } as GgufValue] as const)
    const header = encodeGgufHeader(
      new Map([...split, ...more]),
      names.map((name, i) => info(name, 32 * i)),
    )
    const data = new Float32Array(8 * names.length).fill(no + 1)
    return new Uint8Array([...header, ...new Uint8Array(data.buffer)])
  }
  const place = (no: number, of = 2): string => `${dir}/m-0000${no + 1}-of-0000${of}.gguf`
  const put = (...parts: readonly Uint8Array[]): void => parts.forEach((content, no) => writeFileSync(place(no, parts.length), content))

  it('is opened as one, whichever of them is given', async () => {
    put(part(0, 2, ['a'], [['general.name', { type: 'string', value: 'whole' }]]), part(1, 2, ['b', 'c']))
    for (const no of [0, 1]) {
      const { params, metadata, close } = await openGguf(place(no))
      expect(params.names()).toEqual(['a', 'b', 'c'])
      expect(metadata.get('general.name')!.value).toBe('whole')
      expect(toFloat32((await params.read('a')) as Dense)[0]).toBe(1)
      expect(toFloat32((await params.read('c')) as Dense)[0]).toBe(2)
      await close()
    }
  })

  it.each<[string, () => void, string]>([
    [
      'a missing part',
      () => writeFileSync(place(0), part(0, 2, ['a'])),
      '/m-00002-of-00002.gguf, one of the 2 parts of the model, is missing.\nPut all parts',
    ],
    [
      'the part of another model',
      () => put(part(0, 2, ['a']), part(1, 3, ['b'])),
      'says that it is part 1 of 3, not 1 of 2.\nPut the parts',
    ],
    ['a part twice', () => put(part(0, 2, ['a']), part(0, 2, ['b'])), 'says that it is part 0 of 2, not 1 of 2.\nPut the parts'],
    ['a tensor twice', () => put(part(0, 2, ['a']), part(1, 2, ['a'])), 'Tensor "a" comes twice.\nPut the parts'],
    [
      'another number of tensors',
      () => put(part(0, 2, ['a'], [['split.tensors.count', { type: 'i32', value: 5 }]]), part(1, 2, ['b'])),
      'The parts have 2 tensors; 5 are announced.\nPut the parts',
    ],
    [
      'a count that is none',
      () => writeFileSync(place(0), part(0, 2, ['a'], [['split.count', { type: 'string', value: 'x' }]])),
      'Metadata "split.count" is x, which is no count',
    ],
  ])('is refused with %s', async (_, prepare, error) => {
    prepare()
    expect(await failure(() => openGguf(place(0)))).toContain(error)
  })

  it('is refused where the name does not say where the others are', async () => {
    writeFileSync(`${dir}/renamed.gguf`, part(0, 2, ['a']))
    for (const from of [`${dir}/renamed.gguf`, new Blob([part(0, 2, ['a']) as BlobPart])])
      expect(await failure(() => openGguf(from))).toMatch(
        /^UNSUPPORTED: This file is one of 2 parts that a model is split over.*\nName the parts NAME-00001-of-00002\.gguf/,
      )
    expect(await failure(() => openGguf(place(0), { fileSystem: failingFileSystem({ readOnly: true }) }))).toMatch(/^NOT_FOUND/)
  })
})
