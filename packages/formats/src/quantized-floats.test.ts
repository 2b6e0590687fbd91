import '@tensorflow/tfjs-backend-cpu'
import { codebookOf, createRng, decode, powersOf, scaledOf, bitmaskOf } from '@tersor/core'
import { fromFloat32, toFloat32, type Dense, type Encoded, type Parameter, type ParameterSink } from '@tersor/tensor'
import { readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { compressedTensorsSink, type CompressedTensorsFormat } from './compressed-tensors.js'
import { temporaryFolder } from './files/failing-file-system.fixture.js'
import { openHuggingFace } from './huggingface.js'
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

const config = { model_type: 'llama' }
const NAME = 'model.layers.0.mlp.up_proj'
const [ROWS, COLUMNS] = [6, 64]
const norm = fromFloat32([1, 2], 'bf16', [2])

const random = <T>(count: number, make: (rng: ReturnType<typeof createRng>) => T): T[] => {
  const rng = createRng(3)
  return Array.from({ length: count }, () => make(rng))
}
const e2m1 = (block: number, scale: Parameter): Encoded =>
  codebookOf({ shape: [ROWS, COLUMNS], table: 'e2m1', block, codes: random(ROWS * COLUMNS, rng => rng.integer(16)), scale })
const floats = (shape: number[], dtype: 'f8e4m3' | 'f8e5m2' | 'bf16' | 'f32' = 'f8e4m3'): Dense =>
  fromFloat32(random(shape[0] * shape[1], rng => rng.normal()), dtype, shape) // prettier-ignore
const twoOfFour = (dtype: 'bf16' | 'f32'): Encoded => {
  const mask = random((ROWS * COLUMNS) / 4, rng => [[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1]][rng.integer(3)]).flat() // prettier-ignore
  return bitmaskOf(mask, [ROWS, COLUMNS], floats([ROWS, COLUMNS / 2], dtype))
}

const TREES: Readonly<Record<Exclude<CompressedTensorsFormat, 'pack-quantized' | 'int-quantized'>, () => Encoded>> = {
  'float-quantized': () =>
    scaledOf(
      floats([ROWS, COLUMNS]),
      random(ROWS, rng => Math.fround(rng.uniform())),
    ),
  'nvfp4-pack-quantized': () => e2m1(16, scaledOf(floats([ROWS, COLUMNS / 16]), [0.03125])),
  'mxfp4-pack-quantized': () =>
    e2m1(
      32,
      powersOf(
        random((ROWS * COLUMNS) / 32, rng => 120 + rng.integer(10)),
        [ROWS, COLUMNS / 32],
      ),
    ),
  'sparse-24-bitmask': () => twoOfFour('bf16'),
}
type Format = keyof typeof TREES
const FORMATS = Object.keys(TREES) as Format[]

const save = async (sink: ParameterSink, trees: Readonly<Record<string, Parameter>>): Promise<void> => {
  for (const [name, tree] of Object.entries(trees)) await sink.write(name, tree)
  await (await sink.finish()).close?.()
}

/** Those of the layer, by what follows its name. */
const layerTensors = (): Record<string, Raw> =>
  Object.fromEntries(
    Object.entries(rawTensors(dir))
      .filter(([name]) => name.startsWith(NAME))
      .map(([name, tensor]) => [name.slice(NAME.length + 1), tensor]),
  )

/** An 8-bit float from its bits. */
const e4m3 = (code: number): number => {
  const [sign, exponent, mantissa] = [code >> 7 ? -1 : 1, (code >> 3) & 15, code & 7]
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7))
}
const nibble = ({ bytes, shape }: Raw, row: number, column: number): number => {
  const code = (bytes[row * shape[1] + (column >> 1)] >> (column % 2 === 0 ? 0 : 4)) & 15
  return (code >> 3 ? -1 : 1) * [0, 0.5, 1, 1.5, 2, 3, 4, 6][code & 7]
}

/** The weight straight from the description of each format. */
const READERS: Readonly<Record<Format, (raw: Record<string, Raw>) => (row: number, column: number) => number>> = {
  'float-quantized':
    ({ weight, weight_scale }) =>
    (row, column) =>
      e4m3(weight.bytes[row * COLUMNS + column]) * weight_scale.bytes.readFloatLE(4 * row),
  'nvfp4-pack-quantized':
    ({ weight_packed, weight_scale, weight_global_scale }) =>
    (row, column) =>
      (nibble(weight_packed, row, column) * e4m3(weight_scale.bytes[row * (COLUMNS / 16) + Math.floor(column / 16)])) /
      weight_global_scale.bytes.readFloatLE(0),
  'mxfp4-pack-quantized':
    ({ weight_packed, weight_scale }) =>
    (row, column) =>
      nibble(weight_packed, row, column) * 2 ** (weight_scale.bytes[row * (COLUMNS / 32) + Math.floor(column / 32)] - 127),
  'sparse-24-bitmask': ({ compressed, bitmask }) => {
    const values = new Float64Array(ROWS * COLUMNS)
    let next = 0
    for (let i = 0; i < values.length; i++) {
      const [row, column] = [Math.floor(i / COLUMNS), i % COLUMNS]
      if (!((bitmask.bytes[row * bitmask.shape[1] + (column >> 3)] >> (column % 8)) & 1)) continue
      const bits = Buffer.alloc(4)
      bits.writeUInt16LE(compressed.bytes.readUInt16LE(2 * next++), 2)
      values[i] = bits.readFloatLE(0)
    }
    return (row, column) => values[row * COLUMNS + column]
  },
}

const valuesOf = async (tree: Parameter): Promise<Float32Array> => {
  const tensor = decode(tree)
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

it.each(FORMATS)('says what the tree says, to an independent reader and to ours: %s', async format => {
  const tree = TREES[format]()
  await save(compressedTensorsSink(dir, { config, format }), { [`${NAME}.weight`]: tree, 'model.norm.weight': norm })
  const read = READERS[format](layerTensors())
  const expected = await valuesOf(tree)
  const told = expected.map((_, i) => read(Math.floor(i / COLUMNS), i % COLUMNS) + 0)
  expect(told).toEqual(expected.map(value => value + 0)) // −0 is 0
  const folder = await openHuggingFace(dir)
  expect(folder.config).toEqual(config)
  expect([...folder.params.names()].sort()).toEqual([`${NAME}.weight`, 'model.norm.weight'])
  expect(folder.params.info(`${NAME}.weight`)).toMatchObject({ shape: [ROWS, COLUMNS], codec: tree.codec.name })
  expect(await folder.params.read(`${NAME}.weight`)).toEqual(tree)
  await folder.close()
})

it('has the tensors and descriptions of the formats', async () => {
  const written = async (format: Format) => {
    await save(compressedTensorsSink(dir, { config, format, overwrite: true }), { [`${NAME}.weight`]: TREES[format]() })
    const tensors = Object.fromEntries(Object.entries(layerTensors()).map(([name, { dtype, shape }]) => [name, [dtype, ...shape]]))
    return { tensors, quantization: JSON.parse(readFileSync(`${dir}/config.json`, 'utf8')).quantization_config }
  }
  const weights = (more: object) => ({ config_groups: { group_0: { targets: ['Linear'], weights: { type: 'float', symmetric: true, ...more } } } }) // prettier-ignore
  expect(await written('float-quantized')).toMatchObject({
    tensors: { weight: ['F8_E4M3', 6, 64], weight_scale: ['F32', 6, 1] },
    quantization: { format: 'float-quantized', ...weights({ num_bits: 8, strategy: 'channel' }) },
  })
  expect(await written('nvfp4-pack-quantized')).toMatchObject({
    tensors: { weight_packed: ['U8', 6, 32], weight_scale: ['F8_E4M3', 6, 4], weight_global_scale: ['F32', 1] },
    quantization: { format: 'nvfp4-pack-quantized', ...weights({ num_bits: 4, strategy: 'tensor_group', group_size: 16 }) },
  })
  expect(await written('mxfp4-pack-quantized')).toMatchObject({
    tensors: { weight_packed: ['U8', 6, 32], weight_scale: ['U8', 6, 2] },
    quantization: { format: 'mxfp4-pack-quantized', ...weights({ num_bits: 4, strategy: 'group', group_size: 32 }) },
  })
  expect(await written('sparse-24-bitmask')).toMatchObject({
    tensors: { compressed: ['BF16', 6, 32], bitmask: ['U8', 6, 8], shape: ['I64', 2, 1] },
    quantization: { format: 'dense', sparsity_config: { format: 'sparse-24-bitmask', sparsity_structure: '2:4', targets: [NAME] } },
  })
})

it('keeps one scale for all of a tensor', async () => {
  const tree = scaledOf(floats([ROWS, COLUMNS]), [0.5])
  await save(compressedTensorsSink(dir, { config, format: 'float-quantized' }), { 'a.weight': tree })
  const folder = await openHuggingFace(dir)
  expect(await folder.params.read('a.weight')).toEqual(tree)
  await folder.close()
})

const ODD = codebookOf({ shape: [2, 24], table: 'e2m1', block: 16, codes: new Uint8Array(48), scale: scaledOf(floats([2, 2]), [1]) })
it.each<[Format, Encoded, string]>([
  ['float-quantized', TREES['mxfp4-pack-quantized'](), 'is codebook, not 8-bit floats under a scale'],
  ['float-quantized', scaledOf(floats([2, 2], 'f8e5m2'), [1]), 'has floats of the type f8e5m2, not f8e4m3'],
  ['nvfp4-pack-quantized', TREES['mxfp4-pack-quantized'](), 'is codebook, not 4-bit floats in groups of 16'],
  ['nvfp4-pack-quantized', ODD, 'has 24 columns, not a multiple of 16'],
  ['nvfp4-pack-quantized', e2m1(16, floats([ROWS, 4], 'f32')), 'has scales that are no 8-bit floats under one scale'],
  ['nvfp4-pack-quantized', e2m1(16, scaledOf(floats([ROWS, 4]), [1e-45])), 'that its reciprocal does not give back'],
  ['mxfp4-pack-quantized', TREES['nvfp4-pack-quantized'](), 'is codebook, not 4-bit floats in groups of 32'],
  ['mxfp4-pack-quantized', e2m1(32, floats([ROWS, 2], 'f32')), 'has scales that are no powers of two'],
  ['sparse-24-bitmask', TREES['float-quantized'](), 'is scaled, not a packed mask'],
  ['sparse-24-bitmask', bitmaskOf([1, 1, 1, 0, 1, 0, 0, 0], [1, 8], floats([1, 4], 'f32')), 'keeps other than two weights of each four'],
  ['sparse-24-bitmask', bitmaskOf([1, 1, 0, 0], [1, 4], scaledOf(floats([1, 2]), [1])), 'has kept weights that are no plain floats'],
])('tells what has no place: %s %#', async (format, tree, reason) => {
  const sink = compressedTensorsSink(dir, { config, format })
  await sink.write('a.weight', tree)
  const refusal = await sink.finish().catch((error: Error) => error)
  expect(refusal).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(reason) })
  expect((refusal as Error).message).toMatch(/^.* has no place for .*\n(Quantize|Prune)/)
  expect(readdirSync(root)).toEqual([])
})

it('refuses a global scale that no scale comes from, and a mask of other counts', async () => {
  const read = async (format: Format, edit: (file: Buffer, at: (part: string) => number) => void): Promise<unknown> => {
    await save(compressedTensorsSink(dir, { config, format, overwrite: true }), { [`${NAME}.weight`]: TREES[format]() })
    const file = readFileSync(`${dir}/model.safetensors`)
    const length = Number(file.readBigUInt64LE(0))
    const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<string, { data_offsets: number[] }>
    edit(file, part => 8 + length + header[`${NAME}.${part}`].data_offsets[0])
    const store = await openSafetensors(new Blob([file as BlobPart]))
    const { params } = (await openQuantized(store, JSON.parse(readFileSync(`${dir}/config.json`, 'utf8'))))!
    return params.read(`${NAME}.weight`)
  }
  await expect(read('nvfp4-pack-quantized', (file, at) => file.writeFloatLE(0, at('weight_global_scale')))).rejects.toThrow(
    'weight_global_scale" is 0, expected a number above 0.',
  )
  await expect(read('sparse-24-bitmask', (file, at) => file.writeUInt8(255, at('bitmask')))).rejects.toThrow(
    /Row 0 of a bitmask keeps 3\d weights, expected 32\./,
  )
})

it.each(FORMATS)(`gives ${FOLDERS} coded errors or models for damaged folders: %s`, async format => {
  await save(compressedTensorsSink(dir, { config, format }), { [`${NAME}.weight`]: TREES[format](), 'model.norm.weight': norm })
  const refused = await damageFolder(dir, 11)
  expect(refused).toBeGreaterThan(0.15 * FOLDERS)
})

it('keeps the values of a kept weight as they were stored', async () => {
  const tree = twoOfFour('f32')
  await save(compressedTensorsSink(dir, { config, format: 'sparse-24-bitmask' }), { 'a.weight': tree })
  const folder = await openHuggingFace(dir)
  const read = (await folder.params.read('a.weight')) as Encoded
  expect(toFloat32(read.parts.values as Dense)).toEqual(toFloat32(tree.parts.values as Dense))
  await folder.close()
})
