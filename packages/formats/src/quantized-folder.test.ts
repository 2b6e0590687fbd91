import '@tensorflow/tfjs-backend-cpu'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { affineOf, blockScaledOf, blocksToTree, createRng, decode, maskedOf, permutedOf, scaledOf } from '@tersor/core'
import { encodeF16, decodeF16, fromFloat32, type Encoded, type Parameter, type ParameterSink } from '@tersor/tensor'
import { casesTried } from '@tersor/testing'
import { awqSink } from './awq.js'
import { compressedTensorsSink } from './compressed-tensors.js'
import { temporaryFolder } from './files/failing-file-system.fixture.js'
import { gptqSink } from './gptq.js'
import { huggingFaceSink, openHuggingFace } from './huggingface.js'
import { damageFolder, FOLDERS, rawTensors, type Raw } from './quantized-folder.fixture.js'
import { openQuantized } from './huggingface/quantized/open.js'
import { openSafetensors } from './safetensors.js'

let root: string
let dir: string
beforeEach(async () => {
  root = await temporaryFolder()
  dir = `${root}/model`
})
afterEach(() => rm(root, { recursive: true, force: true }))

const config = { model_type: 'llama', hidden_size: 64 }
const half = (value: number): number => decodeF16(encodeF16(value))

interface Shape {
  readonly bits: number
  readonly group?: number
  readonly rows?: number
  readonly columns?: number
  readonly asymmetric?: boolean
  readonly seed?: number
}

/** A random grid of codes. */
const grid = ({ bits, group = 32, rows = 32, columns = 64, asymmetric = false, seed = 1 }: Shape): Encoded => {
  const rng = createRng(seed)
  const groups = Math.ceil(columns / group)
  const levels = 2 ** bits
  return affineOf({
    shape: [rows, columns],
    bits,
    group,
    codes: Uint8Array.from({ length: rows * columns }, () => rng.integer(levels)),
    scales: Float32Array.from({ length: rows * groups }, () => half(0.01 + rng.uniform())),
    ...(asymmetric ? { zeros: Uint8Array.from({ length: rows * groups }, () => 1 + rng.integer(levels - 1)) } : {}),
  })
}

/** Writes trees, and reads them back from the store that comes of it. */
const save = async (sink: ParameterSink, trees: Readonly<Record<string, Parameter>>): Promise<void> => {
  for (const [name, tree] of Object.entries(trees)) await sink.write(name, tree)
  const store = await sink.finish()
  for (const [name, tree] of Object.entries(trees)) expect(await store.read(name)).toEqual(tree)
  await store.close?.()
}

const norm = fromFloat32([1, 2], 'bf16', [2])
const NAME = 'model.layers.0.mlp.up_proj'

const word = ({ bytes }: Raw, at: number): bigint => BigInt(bytes.readUInt32LE(4 * at))
const halfAt = ({ bytes }: Raw, at: number): number => decodeF16(bytes.readUInt16LE(2 * at))
/** Field i of a stream of words that lie `stride` apart. */
const field = (raw: Raw, start: number, stride: number, bits: number, i: number): number => {
  const at = Math.floor((i * bits) / 32)
  const low = word(raw, start + at * stride)
  const high = (at + 1) * 32 < (i + 1) * bits ? word(raw, start + (at + 1) * stride) : 0n
  return Number(((low | (high << 32n)) >> BigInt((i * bits) % 32)) & BigInt(2 ** bits - 1))
}

/** Weights of a GPTQ layer straight from the description of the format. */
const gptqWeights = (bits: number, group: number, less: number): Float32Array => {
  const raw = rawTensors(dir)
  const [qweight, qzeros, scales, index] = ['qweight', 'qzeros', 'scales', 'g_idx'].map(part => raw[`${NAME}.${part}`])
  const [columns, rows] = [index.shape[0], scales.shape[1]]
  expect(group).toBe(columns / scales.shape[0])
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [n, k] = [Math.floor(at / columns), at % columns]
    const g = index.bytes.readInt32LE(4 * k)
    const zero = field(qzeros, g * qzeros.shape[1], 1, bits, n) + less
    return halfAt(scales, g * rows + n) * (field(qweight, n, rows, bits, k) - zero)
  })
}

const valuesOf = async (tree: Parameter): Promise<Float32Array> => {
  const tensor = decode(tree)
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

describe('a GPTQ folder', () => {
  // each width, every other one with zeros
  it.each(
    casesTried(
      [2, 3, 4, 8].flatMap((bits, i) => [i % 2 === 1, i % 2 === 0].map(asymmetric => [bits, asymmetric] as const)),
      2,
    ),
  )('says what the tree says, to an independent reader and to ours: %d bits, asymmetric %p', async (bits, asymmetric) => {
    const tree = grid({ bits, asymmetric })
    for (const version of ['gptq', 'gptq_v2'] as const) {
      await save(gptqSink(dir, { config, version, overwrite: true }), { [`${NAME}.weight`]: tree, 'model.norm.weight': norm })
      expect(gptqWeights(bits, 32, version === 'gptq' ? 1 : 0)).toEqual(await valuesOf(tree))
      const folder = await openHuggingFace(dir)
      expect(folder.config).toEqual(config)
      expect([...folder.params.names()].sort()).toEqual([`${NAME}.weight`, 'model.norm.weight'])
      expect(folder.params.info(`${NAME}.weight`).shape).toEqual([32, 64])
      expect(await folder.params.read(`${NAME}.weight`)).toEqual(tree)
      expect(await folder.params.read('model.norm.weight')).toEqual(norm)
      await folder.close()
    }
  })

  it('has the golden words, shapes and description of the format', async () => {
    const codes = Uint8Array.from({ length: 32 * 32 }, (_, at) => (at % 32) % 8) // codes 0 … 7 along the inputs of every output
    await save(gptqSink(dir, { config }), { [`${NAME}.weight`]: affineOf({ shape: [32, 32], bits: 4, group: 32, codes, scales: new Float32Array(32).fill(1) }) }) // prettier-ignore
    const raw = rawTensors(dir)
    expect(raw[`${NAME}.qweight`]).toMatchObject({ dtype: 'I32', shape: [4, 32] })
    expect(word(raw[`${NAME}.qweight`], 0)).toBe(0x76543210n)
    expect(raw[`${NAME}.qzeros`]).toMatchObject({ dtype: 'I32', shape: [1, 4] })
    expect(word(raw[`${NAME}.qzeros`], 0)).toBe(0x77777777n)
    expect(raw[`${NAME}.scales`]).toMatchObject({ dtype: 'F16', shape: [1, 32] })
    const written = JSON.parse(readFileSync(`${dir}/config.json`, 'utf8'))
    expect(written).toMatchObject({
      ...config,
      quantization_config: { quant_method: 'gptq', bits: 4, group_size: -1, desc_act: false, sym: true, checkpoint_format: 'gptq' },
    })
    expect(JSON.parse(readFileSync(`${dir}/quantize_config.json`, 'utf8'))).toEqual(written.quantization_config)
    await save(gptqSink(dir, { config, version: 'gptq_v2', overwrite: true }), { [`${NAME}.weight`]: grid({ bits: 4 }) })
    expect(word(rawTensors(dir)[`${NAME}.qzeros`], 0)).toBe(0x88888888n)
  })

  it('is read with its columns in the order of activations', async () => {
    const tree = grid({ bits: 4, seed: 5 })
    await save(gptqSink(dir, { config }), { [`${NAME}.weight`]: tree })
    const file = readFileSync(`${dir}/model.safetensors`)
    const length = Number(file.readBigUInt64LE(0))
    const [from] = JSON.parse(file.subarray(8, 8 + length).toString())[`${NAME}.g_idx`].data_offsets as number[]
    const { bytes } = rawTensors(dir)[`${NAME}.g_idx`]
    for (let column = 0; column < 64; column++) bytes.writeInt32LE(column % 2, 4 * column) // even columns are group 0
    bytes.copy(file, 8 + length + from)
    const store = await openSafetensors(new Blob([file as BlobPart]))
    const { params } = (await openQuantized(store, JSON.parse(readFileSync(`${dir}/config.json`, 'utf8'))))!
    const read = (await params.read(`${NAME}.weight`)) as Encoded
    expect(read.codec.name).toBe('permuted')
    const [original, moved] = [await valuesOf(tree), await valuesOf(read)]
    const scales = rawTensors(dir)[`${NAME}.scales`]
    const scaleOf = (n: number, g: number) => halfAt(scales, g * 32 + n)
    const expected = original.map((value, at) => {
      const [n, k] = [Math.floor(at / 64), at % 64]
      return (value / scaleOf(n, Math.floor(k / 32))) * scaleOf(n, k % 2)
    })
    expect(moved).toEqual(expected)
  })
})

describe('an AWQ folder', () => {
  it.each([false, true])('says what the tree says, to an independent reader and to ours: asymmetric %p', async asymmetric => {
    const tree = grid({ bits: 4, asymmetric, seed: 2 })
    await save(awqSink(dir, { config }), { [`${NAME}.weight`]: tree })
    const raw = rawTensors(dir)
    const [qweight, qzeros, scales] = ['qweight', 'qzeros', 'scales'].map(part => raw[`${NAME}.${part}`])
    expect([qweight.shape, qzeros.shape, scales.shape]).toEqual([[64, 4], [2, 4], [2, 32]]) // prettier-ignore
    const nibble = (tensor: Raw, row: number, n: number) =>
      Number((word(tensor, row * 4 + Math.floor(n / 8)) >> BigInt(4 * [0, 4, 1, 5, 2, 6, 3, 7][n % 8])) & 15n)
    const values = Float32Array.from({ length: 32 * 64 }, (_, at) => {
      const [n, k] = [Math.floor(at / 64), at % 64]
      const g = Math.floor(k / 32)
      return (nibble(qweight, k, n) - nibble(qzeros, g, n)) * halfAt(scales, g * 32 + n)
    })
    expect(values).toEqual(await valuesOf(tree))
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read(`${NAME}.weight`)).toEqual(tree)
    await folder.close()
  })

  it('has the golden word and description of the format', async () => {
    const codes = Uint8Array.from({ length: 8 * 16 }, (_, at) => Math.floor(at / 16)) // output n holds n
    await save(awqSink(dir, { config }), { [`${NAME}.weight`]: affineOf({ shape: [8, 16], bits: 4, group: 16, codes, scales: new Float32Array(8).fill(1) }) }) // prettier-ignore
    expect(word(rawTensors(dir)[`${NAME}.qweight`], 0)).toBe(0x75316420n)
    expect(JSON.parse(readFileSync(`${dir}/config.json`, 'utf8')).quantization_config).toEqual({
      quant_method: 'awq',
      version: 'gemm',
      bits: 4,
      group_size: -1,
      zero_point: true,
      modules_to_not_convert: ['lm_head'],
    })
  })
})

describe('a compressed-tensors folder', () => {
  // each width, every other one with zeros
  it.each(
    casesTried(
      [2, 3, 4, 8].flatMap((bits, i) => [i % 2 === 1, i % 2 === 0].map(asymmetric => [bits, asymmetric] as const)),
      2,
    ),
  )('says what the tree says, to an independent reader and to ours: pack-quantized, %d bits, asymmetric %p', async (bits, asymmetric) => {
    const tree = grid({ bits, asymmetric, seed: 3, columns: 80, group: 16 })
    await save(compressedTensorsSink(dir, { config }), { [`${NAME}.weight`]: tree })
    const raw = rawTensors(dir)
    const [packed, scale, zeros, shape] = ['packed', 'scale', 'zero_point', 'shape'].map(part => raw[`${NAME}.weight_${part}`])
    expect([shape.bytes.readBigInt64LE(0), shape.bytes.readBigInt64LE(8)]).toEqual([32n, 80n])
    expect(packed.shape).toEqual([32, Math.ceil((80 * bits) / 32)])
    const values = Float32Array.from({ length: 32 * 80 }, (_, at) => {
      const [n, k] = [Math.floor(at / 80), at % 80]
      const g = Math.floor(k / 16)
      const offset = 2 ** (bits - 1)
      const q = field(packed, n * packed.shape[1], 1, bits, k) - offset
      const z = asymmetric ? field(zeros, g, zeros.shape[1], bits, n) - offset : 0
      return (q - z) * halfAt(scale, n * 5 + g)
    })
    expect(values).toEqual(await valuesOf(tree))
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read(`${NAME}.weight`)).toEqual(tree)
    await folder.close()
  })

  it('keeps bytes as they are: int-quantized', async () => {
    const tree = grid({ bits: 8, asymmetric: true, group: 64 })
    await save(compressedTensorsSink(dir, { config, format: 'int-quantized' }), { [`${NAME}.weight`]: tree })
    const raw = rawTensors(dir)
    expect(raw[`${NAME}.weight`]).toMatchObject({ dtype: 'I8', shape: [32, 64] })
    const values = Float32Array.from({ length: 32 * 64 }, (_, at) => {
      const n = Math.floor(at / 64)
      return (
        (raw[`${NAME}.weight`].bytes.readInt8(at) - raw[`${NAME}.weight_zero_point`].bytes.readInt8(n)) *
        halfAt(raw[`${NAME}.weight_scale`], n)
      )
    })
    expect(values).toEqual(await valuesOf(tree))
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read(`${NAME}.weight`)).toEqual(tree)
    await folder.close()
  })

  it('describes each scheme with its layers', async () => {
    await save(compressedTensorsSink(dir, { config }), { 'a.weight': grid({ bits: 4 }), 'b.weight': grid({ bits: 8, group: 64 }) })
    expect(JSON.parse(readFileSync(`${dir}/config.json`, 'utf8')).quantization_config).toMatchObject({
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      ignore: ['lm_head'],
      config_groups: {
        group_0: { targets: ['a'], weights: { num_bits: 4, strategy: 'group', group_size: 32, symmetric: true } },
        group_1: { targets: ['b'], weights: { num_bits: 8, strategy: 'channel', group_size: null } },
      },
    })
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read('b.weight')).toEqual(grid({ bits: 8, group: 64 }))
    await folder.close()
  })

  it('has the golden word of the format, and reads words with room left over', async () => {
    const codes = Uint8Array.from({ length: 8 * 16 }, (_, at) => at % 8)
    await save(compressedTensorsSink(dir, { config }), { [`${NAME}.weight`]: affineOf({ shape: [8, 16], bits: 4, group: 16, codes, scales: new Float32Array(8).fill(1) }) }) // prettier-ignore
    expect(word(rawTensors(dir)[`${NAME}.weight_packed`], 0)).toBe(0x76543210n)
    const loose = Int32Array.from({ length: 2 * 4 }, (_, at) => Array.from({ length: 10 }, (_, i) => (i + at) % 8).reduce((sum, code, i) => sum | (code << (3 * i)), 0)) // prettier-ignore
    const sink = huggingFaceSink(`${root}/old`, { config })
    const bytes = (view: ArrayBufferView) => new Uint8Array(view.buffer)
    await sink.write('a.weight_packed', { kind: 'dense', dtype: 'i32', shape: [2, 4], bytes: bytes(loose) })
    await sink.write('a.weight_scale', fromFloat32([1, 1], 'f16', [2, 1]))
    await sink.write('a.weight_shape', { kind: 'dense', dtype: 'i64', shape: [2], bytes: bytes(BigInt64Array.of(2n, 32n)) })
    const store = await sink.finish()
    const quantization_config = {
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      config_groups: { g: { weights: { num_bits: 3 } } },
    }
    const { params } = (await openQuantized(store, { quantization_config }))!
    const values = await valuesOf(await params.read('a.weight'))
    const codeAt = (row: number, column: number) => (((column % 10) + 4 * row + Math.floor(column / 10)) % 8) - 4
    expect(values).toEqual(values.map((_, at) => codeAt(Math.floor(at / 32), at % 32)))
    await store.close?.()
  })
})

describe('what has no place', () => {
  const dense = fromFloat32(new Float32Array(32 * 64), 'f32', [32, 64])
  const scales = new Float32Array(64).fill(1)
  const betweenCodes = affineOf({ shape: [32, 64], bits: 4, group: 32, codes: new Uint8Array(2048), scales, zeros: scales.map(() => 7.5) })
  const SINKS: Record<string, (path: string) => ParameterSink> = {
    GPTQ: path => gptqSink(path, { config }),
    AWQ: path => awqSink(path, { config }),
    'compressed-tensors (pack-quantized)': path => compressedTensorsSink(path, { config, format: 'pack-quantized' }),
    'compressed-tensors (int-quantized)': path => compressedTensorsSink(path, { config, format: 'int-quantized' }),
  }
  it.each([
    ['GPTQ', { a: grid({ bits: 5 }) }, 'a.weight has 5 bits'],
    ['GPTQ', { a: grid({ bits: 4, rows: 30 }) }, 'a.weight is 30 × 64, not multiples of 32'],
    ['GPTQ', { a: grid({ bits: 4, group: 48 }) }, 'a.weight has groups of 48, which do not divide its 64 columns'],
    [
      'GPTQ',
      { a: grid({ bits: 4 }), b: grid({ bits: 3 }) },
      'b has 3 bits in groups of 32, symmetric, others 4 bits in groups of 32, symmetric',
    ],
    ['GPTQ', { a: maskedOf(new Uint8Array(32 * 64).fill(1), dense) }, 'a.weight is masked, not a grid of codes over two axes'],
    ['AWQ', { a: grid({ bits: 3 }) }, 'a.weight has 3 bits'],
    ['AWQ', { a: grid({ bits: 4, rows: 12 }) }, 'a.weight has 12 rows, not a multiple of 8'],
    ['AWQ', { a: grid({ bits: 4, group: 48 }) }, 'a.weight has groups of 48'],
    [
      'AWQ',
      {
        a: permutedOf(
          Array.from({ length: 64 }, (_, i) => i),
          grid({ bits: 4 }),
        ),
      },
      'a.weight is permuted',
    ],
    ['compressed-tensors (pack-quantized)', { a: grid({ bits: 4, group: 48 }) }, 'a.weight has groups of 48'],
    ['compressed-tensors (pack-quantized)', { a: maskedOf(new Uint8Array(32 * 64).fill(1), dense) }, 'a.weight is masked'],
    ['compressed-tensors (int-quantized)', { a: grid({ bits: 4 }) }, 'a.weight has 4 bits, not 8'],
    ...(['GPTQ', 'AWQ', 'compressed-tensors (pack-quantized)'] as const).map(
      title => [title, { a: betweenCodes }, 'a.weight has zeros between codes'] as const,
    ),
    ...(['GPTQ', 'AWQ', 'compressed-tensors (pack-quantized)', 'compressed-tensors (int-quantized)'] as const).flatMap(title => [
      [title, { a: blocksToTree('q4_k', new Uint8Array(144), [1, 256]) }, 'a.weight is ranged, not a grid of codes over two axes'] as const,
      [title, { a: blocksToTree('q6_k', new Uint8Array(210), [1, 256]) }, 'a.weight has scales that are codes themselves'] as const,
    ]),
  ] as const)('is told with the tensor and the way out: %s %#', async (title, trees, reason) => {
    const sink = SINKS[title](dir)
    for (const [name, tree] of Object.entries(trees)) await sink.write(`${name}.weight`, tree as Parameter)
    const refusal = await sink.finish().catch((error: Error & { code: string }) => error)
    expect(refusal).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(reason) })
    expect((refusal as Error).message).toMatch(/^.* has no place for .*\n(Quantize|Leave)/)
    expect(readdirSync(root)).toEqual([])
  })

  it('is listed whole', async () => {
    const sink = gptqSink(dir, { config })
    for (let i = 0; i < 7; i++) await sink.write(`layer${i}.weight`, grid({ bits: 6 }))
    await sink.write('embedding', grid({ bits: 4 }))
    await expect(sink.finish()).rejects.toThrow(/8 of the tensors: layer0.weight has 6 bits; .*; and 3 more\./)
    expect(existsSync(dir)).toBe(false)
  })

  it('is a zero of 0 in the first version, and scales beyond halves', async () => {
    const zeros = affineOf({ shape: [32, 32], bits: 4, group: 32, codes: new Uint8Array(1024), scales: new Float32Array(32).fill(1), zeros: new Uint8Array(32) }) // prettier-ignore
    const large = affineOf({ shape: [32, 32], bits: 4, group: 32, codes: new Uint8Array(1024), scales: new Float32Array(32).fill(1e6) })
    const sink = gptqSink(dir, { config, version: 'gptq' })
    await sink.write('zeros.weight', zeros)
    await sink.write('large.weight', large)
    await expect(sink.finish()).rejects.toThrow(
      'zeros.weight has a zero of 0, which v1 cannot say; large.weight has scales that no half-precision number holds',
    )
    await save(gptqSink(dir, { config, version: 'gptq_v2' }), { 'zeros.weight': zeros })
  })
})

describe('a folder of which some layers stayed plain', () => {
  const matrix = fromFloat32(new Float32Array(64), 'bf16', [8, 8])
  const tensors: Readonly<Record<string, Parameter>> = {
    'model.embed_tokens.weight': matrix,
    'model.layers.0.mlp.gate.weight': matrix,
    [`${NAME}.weight`]: grid({ bits: 4 }),
    'model.norm.weight': norm,
    'lm_head.weight': matrix,
  }
  const quantization = async (sink: ParameterSink, more: Readonly<Record<string, Parameter>> = {}) => {
    for (const [name, tensor] of Object.entries({ ...tensors, ...more })) await sink.write(name, tensor)
    await (await sink.finish()).close?.()
    return JSON.parse(readFileSync(`${dir}/config.json`, 'utf8')).quantization_config
  }
  const left = ['model.layers.0.mlp.gate', 'lm_head']

  it('names them where its loaders look: routers and the head, not embeddings', async () => {
    expect(await quantization(compressedTensorsSink(dir, { config }))).toMatchObject({ ignore: left })
    expect(await quantization(awqSink(dir, { config, overwrite: true }))).toMatchObject({ modules_to_not_convert: left })
    const { dynamic } = await quantization(gptqSink(dir, { config, overwrite: true }))
    expect(dynamic).toEqual({ '-:^model\\.layers\\.0\\.mlp\\.gate$': {}, '-:^lm_head$': {} })
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read(`${NAME}.weight`)).toEqual(tensors[`${NAME}.weight`])
    expect(await folder.params.read('lm_head.weight')).toEqual(matrix)
    await folder.close()
  })

  it.each(['model.embed_tokens', 'transformer.wte', 'bert.embeddings.word_embeddings'])('refuses codes in place of %s', async name => {
    for (const sink of [gptqSink, awqSink, compressedTensorsSink]) {
      const given = sink(dir, { config })
      await given.write(`${name}.weight`, grid({ bits: 4 }))
      await expect(given.finish()).rejects.toThrow(
        `${name}.weight is a table of embeddings, which loaders take plain only.\nLeave it plain: give the step only='model.layers.*'`,
      )
    }
  })

  it('is GPTQ of the second version where its layers are asymmetric, since GPTQModel takes no other', async () => {
    const asymmetric = { [`${NAME}.weight`]: grid({ bits: 4, asymmetric: true }) }
    expect(await quantization(gptqSink(dir, { config }), asymmetric)).toMatchObject({ checkpoint_format: 'gptq_v2', sym: false })
    expect(await quantization(gptqSink(dir, { config, overwrite: true }))).toMatchObject({ checkpoint_format: 'gptq', sym: true })
    const chosen = gptqSink(dir, { config, version: 'gptq', overwrite: true })
    expect(await quantization(chosen, asymmetric)).toMatchObject({ checkpoint_format: 'gptq', sym: false })
  })

  it('has the format of its codes in the group too, and in the whole one name for several', async () => {
    const bytes = { [`${NAME}.weight`]: grid({ bits: 8, group: 64 }) }
    expect(await quantization(compressedTensorsSink(dir, { config, format: 'int-quantized' }), bytes)).toMatchObject({
      format: 'int-quantized',
      config_groups: { group_0: { targets: ['Linear'], format: 'int-quantized' } },
    })
    const floats = scaledOf(fromFloat32(new Float32Array(64).fill(0.5), 'f8e4m3', [8, 8]), [2])
    const blocks = blockScaledOf(fromFloat32(new Float32Array(64).fill(0.5), 'f8e4m3', [8, 8]), [1, 2, 3, 4], [4, 4])
    const more = { 'a.weight': floats, 'b.weight': blocks }
    expect(await quantization(compressedTensorsSink(dir, { config, overwrite: true }), more)).toMatchObject({
      format: 'mixed-precision',
      config_groups: {
        group_0: { targets: [NAME], format: 'pack-quantized', weights: { type: 'int', num_bits: 4 } },
        group_1: { targets: ['a'], format: 'float-quantized', weights: { type: 'float', strategy: 'tensor' } },
        group_2: { targets: ['b'], format: 'float-quantized', weights: { strategy: 'block', block_structure: [4, 4] } },
      },
    })
    const folder = await openHuggingFace(dir)
    expect(await folder.params.read('a.weight')).toEqual(floats)
    expect(await folder.params.read('b.weight')).toEqual(blocks)
    expect(await folder.params.read(`${NAME}.weight`)).toEqual(tensors[`${NAME}.weight`])
    await folder.close()
  })
})

describe('damaged folders', () => {
  const SINKS: Record<string, () => ParameterSink> = {
    gptq: () => gptqSink(dir, { config }),
    awq: () => awqSink(dir, { config }),
    'compressed-tensors': () => compressedTensorsSink(dir, { config }),
  }
  it.each(Object.keys(SINKS))(`give ${FOLDERS} coded errors or models: %s`, async method => {
    await save(SINKS[method](), { [`${NAME}.weight`]: grid({ bits: 4, asymmetric: true }), 'model.norm.weight': norm })
    const refused = await damageFolder(dir, 7)
    expect(refused).toBeGreaterThan(FOLDERS / 4)
  })
})
