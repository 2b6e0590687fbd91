import '@tensorflow/tfjs-backend-cpu'
import { CODEBOOKS, createRng, decode } from '@tersor/core'
import { decodeF8e4m3, dense, fromFloat32, fromIntegers, type Parameter } from '@tersor/tensor'
import { rm, writeFile } from 'node:fs/promises'
import { temporaryFolder } from './files/failing-file-system.fixture.js'
import { openHuggingFace } from './huggingface.js'
import type { Json } from './files/json-text.js'
import { safetensorsSink } from './safetensors.js'

let root: string
let dir: string
beforeEach(async () => {
  root = await temporaryFolder()
  dir = `${root}/model`
})
afterEach(() => rm(root, { recursive: true, force: true }))

const LAYER = 'model.layers.0.mlp.up_proj'
const text = (value: unknown): string => JSON.stringify(value)

/** A folder of tensors with a config, as any tool could write it. */
const folder = async (tensors: Readonly<Record<string, Parameter>>, config: Json = {}, files: Readonly<Record<string, Json>> = {}) => {
  await rm(dir, { recursive: true, force: true })
  const sink = safetensorsSink(`${dir}/model.safetensors`)
  for (const [name, tensor] of Object.entries(tensors)) await sink.write(name, tensor)
  await (await sink.finish()).close()
  for (const [name, value] of Object.entries({ 'config.json': { model_type: 'llama', ...config }, ...files }))
    await writeFile(`${dir}/${name}`, text(value))
  return openHuggingFace(dir)
}

const refusal = async (...given: Parameters<typeof folder>) => {
  const error = (await folder(...given).catch((reason: unknown) => reason)) as { code: string; message: string }
  expect(error.message.split('\n')).toHaveLength(2)
  return [error.code, ...error.message.split('\n')]
}

/** The values that a folder gives for the layer's weight. */
const valuesIn = async (opened: Awaited<ReturnType<typeof folder>>, name = `${LAYER}.weight`): Promise<Float32Array> => {
  const tensor = decode(await opened.params.read(name))
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  await opened.close()
  return values
}

const rng = createRng(3)
const bytes = (count: number, below = 256): Uint8Array => Uint8Array.from({ length: count }, () => rng.integer(below))
const floats = (shape: number[], dtype: 'f32' | 'bf16' = 'f32') =>
  fromFloat32(
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => 1 + i),
    dtype,
    shape,
  )

describe('a folder of 8-bit floats', () => {
  const [rows, columns] = [5, 7]
  const codes = bytes(rows * columns, 120) // no NaN
  const weight = dense('f8e4m3', [rows, columns], codes)
  const expected = (scaleAt: (row: number, column: number) => number): number[] =>
    [...codes].map((code, i) => Math.fround(decodeF8e4m3(code) * scaleAt(Math.floor(i / columns), i % columns)))

  it('takes one scale for each block, also for smaller ones at the edges', async () => {
    const config = { quantization_config: { quant_method: 'fp8', fmt: 'e4m3', weight_block_size: [2, 3] } }
    const opened = await folder({ [`${LAYER}.weight`]: weight, [`${LAYER}.weight_scale_inv`]: floats([3, 3]) }, config)
    expect(opened.config).toEqual({ model_type: 'llama' })
    expect(opened.params.names()).toEqual([`${LAYER}.weight`])
    expect([...(await valuesIn(opened))]).toEqual(expected((row, column) => 1 + 3 * Math.floor(row / 2) + Math.floor(column / 3)))
  })

  it.each([
    ['one', 'fp8', 'weight_scale', [1], () => 1],
    ['a scalar', 'fp8', 'weight_scale_inv', [], () => 1],
    ['one a row', 'fbgemm_fp8', 'weight_scale', [rows, 1], (row: number) => 1 + row],
    ['a vector of rows', 'fp8', 'weight_scale', [rows], (row: number) => 1 + row],
  ] as const)('takes %s', async (_, quant_method, suffix, shape, scaleAt) => {
    const tensors = { [`${LAYER}.weight`]: weight, [`${LAYER}.${suffix}`]: floats([...shape], 'bf16') }
    expect([...(await valuesIn(await folder(tensors, { quantization_config: { quant_method } })))]).toEqual(expected(scaleAt))
    expect([...(await valuesIn(await folder(tensors)))]).toEqual(expected(scaleAt)) // nothing declares it
  })

  it('takes blocks of compressed-tensors, and tells that inputs are not rounded', async () => {
    const weights = { num_bits: 8, type: 'float', strategy: 'block', block_structure: [2, 3] }
    const quantization_config = { quant_method: 'compressed-tensors', format: 'float-quantized', config_groups: { group_0: { weights } } }
    const tensors = { [`${LAYER}.weight`]: weight, [`${LAYER}.weight_scale`]: floats([3, 3]), [`${LAYER}.input_scale`]: floats([1]) }
    const opened = await folder(tensors, { quantization_config })
    expect(opened.params.names()).toEqual([`${LAYER}.weight`])
    expect(opened.notes).toEqual([expect.stringMatching(/^Other runtimes round the inputs of 1 layers of this compressed-tensors folder/)])
    expect([...(await valuesIn(opened))]).toEqual(expected((row, column) => 1 + 3 * Math.floor(row / 2) + Math.floor(column / 3)))
  })

  it('reads scales that are powers of two', async () => {
    const scale = dense('f8e8m0', [1], Uint8Array.of(125))
    expect([...(await valuesIn(await folder({ [`${LAYER}.weight`]: weight, [`${LAYER}.weight_scale_inv`]: scale })))]).toEqual(
      expected(() => 0.25),
    )
  })

  it.each([
    [
      { weight_scale_inv: floats([2, 2]) },
      'which gives 5 × 7 values neither one scale, nor one a row, nor one for each block of 128 × 128.',
    ],
    [{ weight_scale_inv: fromIntegers([1], 'i32', [1]) }, '"model.layers.0.mlp.up_proj.weight_scale_inv" is i32, expected floats.'],
  ])('refuses scales that do not fit: %#', async (more, what) => {
    const [code, first] = await refusal({ [`${LAYER}.weight`]: weight, [`${LAYER}.weight_scale_inv`]: more.weight_scale_inv })
    expect(code).toBe('BAD_FILE')
    expect(first).toContain(what)
  })

  it('refuses a scale that is not finite, and a block that is none', async () => {
    const scale = fromFloat32([NaN], 'f32', [1])
    const opened = await folder({ [`${LAYER}.weight`]: weight, [`${LAYER}.weight_scale_inv`]: scale })
    await expect(opened.params.read(`${LAYER}.weight`)).rejects.toThrow('holds NaN, expected finite scales.')
    await opened.close()
    const quantization_config = { quant_method: 'fp8', weight_block_size: [128] }
    expect(await refusal({ [`${LAYER}.weight`]: weight }, { quantization_config })).toEqual([
      'BAD_FILE',
      'The quantization\'s "weight_block_size" is [128], expected two whole numbers above 0.',
      expect.any(String),
    ])
  })
})

describe('a bitsandbytes folder', () => {
  it('multiplies int8 codes by SCB / 127, row by row', async () => {
    const codes = Int8Array.of(-128, -1, 0, 127, 5, -7)
    const tensors = {
      [`${LAYER}.weight`]: fromIntegers(codes, 'i8', [2, 3]),
      [`${LAYER}.SCB`]: fromFloat32([254, 12.7], 'f32', [2]),
      [`${LAYER}.weight_format`]: fromIntegers([0], 'u8', []),
    }
    const opened = await folder(tensors, { quantization_config: { load_in_8bit: true } })
    expect(opened.params.names()).toEqual([`${LAYER}.weight`])
    const scale = Math.fround(Math.fround(12.7) / 127)
    expect([...(await valuesIn(opened))]).toEqual([-256, -2, 0, ...[127, 5, -7].map(code => Math.fround(code * scale))])
    const other = { ...tensors, [`${LAYER}.weight_format`]: fromIntegers([2], 'u8', []) }
    expect((await refusal(other))[1]).toContain('of a bitsandbytes folder has the order of bytes 2, not that of rows.')
  })

  const [rows, columns, block] = [3, 6, 4]
  const runs = Math.ceil((rows * columns) / block)
  const codes = bytes(rows * columns, 16)
  const packed = Uint8Array.from({ length: codes.length / 2 }, (_, i) => (codes[2 * i] << 4) | codes[2 * i + 1]) // the first one high
  const four = (type: string, more: object = {}, tensors: Readonly<Record<string, Parameter>> = {}) => {
    const state = new TextEncoder().encode(text({ quant_type: type, blocksize: block, dtype: 'bfloat16', shape: [rows, columns], ...more }))
    return {
      [`${LAYER}.weight`]: dense('u8', [packed.length, 1], packed),
      [`${LAYER}.weight.absmax`]: floats([runs]),
      [`${LAYER}.weight.quant_map`]: fromFloat32(CODEBOOKS[type === 'fp4' ? 'fp4' : 'nf4'], 'f32', [16]),
      [`${LAYER}.weight.quant_state.bitsandbytes__${type}`]: dense('u8', [state.length], state),
      ...tensors,
    }
  }
  const nests = {
    [`${LAYER}.weight.absmax`]: dense('u8', [runs], Uint8Array.of(0, 128, 200, 255, 7)),
    [`${LAYER}.weight.nested_absmax`]: fromFloat32([2, 3], 'f32', [2]),
    [`${LAYER}.weight.nested_quant_map`]: fromFloat32(CODEBOOKS.dynamic8, 'f32', [256]),
  }

  it.each(['nf4', 'fp4'] as const)('looks %s codes up and multiplies them by the largest of their block', async type => {
    const opened = await folder(four(type), { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } })
    expect(opened.params.names()).toEqual([`${LAYER}.weight`])
    expect(opened.params.info(`${LAYER}.weight`).shape).toEqual([rows, columns])
    const expected = [...codes].map((code, i) => Math.fround(Math.fround(CODEBOOKS[type][code]) * (1 + Math.floor(i / block))))
    expect([...(await valuesIn(opened))]).toEqual(expected)
  })

  it('takes the largest of blocks from nested codes', async () => {
    const opened = await folder(four('nf4', { nested_blocksize: 3, nested_offset: 0.5 }, nests))
    const absmax = [0, 128, 200, 255, 7].map((code, run) =>
      Math.fround(Math.fround(Math.fround(CODEBOOKS.dynamic8[code]) * (run < 3 ? 2 : 3)) + 0.5),
    )
    const values = await valuesIn(opened)
    expect([...values]).toEqual([...codes].map((code, i) => Math.fround(Math.fround(CODEBOOKS.nf4[code]) * absmax[Math.floor(i / block)])))
  })

  it.each([
    ['UNSUPPORTED', four('int2'), 'of a bitsandbytes folder says the type "int2".'],
    ['UNSUPPORTED', four('nf4', {}, { [`${LAYER}.weight.quant_map`]: floats([16]) }), 'gives code 0 the level 1, where nf4 has -1.'],
    ['BAD_FILE', four('nf4', { shape: [4, 6] }), 'has 9 bytes, expected 12 for 4 × 6 codes.'],
    ['BAD_FILE', four('nf4', { blocksize: 0 }), 'has blocks of 0, expected a whole number above 0.'],
    ['BAD_FILE', four('nf4', { shape: [18] }), 'has no shape of two axes.'],
    ['BAD_FILE', four('nf4', { nested_blocksize: 3 }), 'nests its scales in blocks of 3 around undefined.'],
  ])('refuses what it cannot read: %s %#', async (code, tensors, what) => {
    const [got, first] = await refusal(tensors)
    expect(got).toBe(code)
    expect(first).toContain(what)
  })
})

describe('what a folder says of its quantization', () => {
  const plain = { [`${LAYER}.weight`]: floats([2, 2]) }
  it.each(['modelopt', 'quanto', 'torchao', 'eetq', 'hqq', 'higgs', 'bitnet', 'mxfp4', 'constructor', 'new-one'])(
    'is refused by its name where it is not read: %s',
    async quant_method => {
      expect(await refusal(plain, { quantization_config: { quant_method } })).toEqual([
        'UNSUPPORTED',
        `The folder is quantized by "${quant_method}", which is not read here.`,
        'Read are gptq, awq, compressed-tensors, fp8, fbgemm_fp8, bitsandbytes: take the original weights, or save the model dequantized.',
      ])
    },
  )

  it('is refused where it names no method, and read from the file of Model Optimizer', async () => {
    const [code, first] = await refusal(plain, { quantization_config: { bits: 4 } })
    expect([code, first]).toEqual([
      'UNSUPPORTED',
      'The folder is quantized by "a method that its config does not name ({\\"bits\\":4})", which is not read here.',
    ])
    const beside = { 'hf_quant_config.json': { quantization: { quant_algo: 'NVFP4' } } }
    expect((await refusal(plain, {}, beside))[1]).toBe('The folder is quantized by "modelopt", which is not read here.')
  })

  const GPTQ = (zero: number, [rows, columns, bits] = [32, 32, 4]) => ({
    [`${LAYER}.qweight`]: dense('i32', [(columns * bits) / 32, rows], bytes((columns * rows * bits) / 8)),
    [`${LAYER}.qzeros`]: dense('i32', [1, (rows * bits) / 32], new Uint8Array((rows * bits) / 8).fill(zero)),
    [`${LAYER}.scales`]: fromFloat32(new Array(rows).fill(0.5), 'f16', [1, rows]),
  })

  it('may stand beside the config, or be shown by the tensors alone', async () => {
    const [symmetric, settings] = [GPTQ(0x77), { bits: 4, group_size: 32 }]
    const declared = await valuesIn(await folder(symmetric, { quantization_config: { quant_method: 'gptq', ...settings } }))
    expect(await valuesIn(await folder(symmetric, {}, { 'quantize_config.json': settings }))).toEqual(declared)
    expect(await valuesIn(await folder(symmetric))).toEqual(declared)
    const opened = await folder(GPTQ(0x55))
    await expect(opened.params.read(`${LAYER}.weight`)).rejects.toThrow(
      /zeros of GPTQ that mean one thing in its first version and another in its second.*\nPut the quantize_config.json of the model into the folder\.$/,
    )
    await opened.close()
  })

  it('may be that of AutoAWQ, in its own words or in none', async () => {
    const tensors = {
      [`${LAYER}.qweight`]: dense('i32', [32, 2], bytes(256)),
      [`${LAYER}.qzeros`]: dense('i32', [2, 2], bytes(16)),
      [`${LAYER}.scales`]: floats([2, 16]),
    }
    const declared = await valuesIn(await folder(tensors, { quantization_config: { quant_method: 'awq', bits: 4, group_size: 16 } }))
    const own = { w_bit: 4, q_group_size: 16, zero_point: true, version: 'GEMM' }
    expect(await valuesIn(await folder(tensors, {}, { 'quant_config.json': own }))).toEqual(declared)
    expect(await valuesIn(await folder(tensors))).toEqual(declared)
  })

  it('may exclude layers of GPTQ by rules, and give others other settings', async () => {
    const other = 'model.layers.1.mlp.up_proj'
    const eight = Object.fromEntries(Object.entries(GPTQ(0x7f, [32, 64, 8])).map(([name, tensor]) => [name.replace(LAYER, other), tensor]))
    const tensors = { ...GPTQ(0x77), ...eight, 'model.layers.0.mlp.gate.weight': floats([2, 2]) }
    const dynamic = { '-:.*gate$': {}, '+:.*layers\\.1\\..*': { bits: 8, group_size: 64 } }
    const quantization_config = { quant_method: 'gptq', bits: 4, group_size: 32, dynamic }
    const opened = await folder(tensors, { quantization_config })
    expect(opened.params.info(`${LAYER}.weight`).shape).toEqual([32, 32])
    expect(opened.params.info(`${other}.weight`).shape).toEqual([32, 64])
    expect(opened.params.info('model.layers.0.mlp.gate.weight').dtype).toBe('f32')
    await opened.close()
    const excluding = { quant_method: 'gptq', bits: 4, group_size: 32, dynamic: { '-:.*gate$': {} } }
    expect((await refusal(tensors, { quantization_config: excluding }))[1]).toMatch(
      /^"model.layers.1.mlp.up_proj" has qweight .* which no setting/,
    )
  })

  it.each([
    [{ checkpoint_format: 'marlin' }, 'The folder is GPTQ of the checkpoint format "marlin".'],
    [{ pack_dtype: 'int64' }, 'The folder is GPTQ with codes packed into "int64".'],
  ])('is refused where codes stand in another order: %j', async (more, what) => {
    const quantization_config = { quant_method: 'gptq', bits: 4, group_size: 32, ...more }
    expect((await refusal(GPTQ(0x77), { quantization_config })).slice(0, 2)).toEqual(['UNSUPPORTED', what])
  })

  it('is refused where compressed-tensors is sparse and quantized at once', async () => {
    const quantization_config = {
      ...{ quant_method: 'compressed-tensors', format: 'pack-quantized' },
      sparsity_config: { format: 'sparse-24-bitmask' },
    }
    expect((await refusal(plain, { quantization_config })).slice(0, 2)).toEqual([
      'UNSUPPORTED',
      'The folder is compressed-tensors of the sparsity "sparse-24-bitmask" with the format "pack-quantized".',
    ])
  })
})
