import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { affineOf, blocksToTree, createRng, decode, factoredOf, maskedOf, matrixOf, permutedOf, sumOf } from '@tersor/core'
import { casesTried } from '@tersor/testing'
import { decodeF16, encodeF16, fromFloat32, fromIntegers, type Dense, type Parameter } from '@tersor/tensor'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { Tensor } from 'onnxruntime-node'
import { temporaryFolder } from '../../formats/src/files/failing-file-system.fixture.js'
import { onnxSink, openOnnx, type OnnxSinkOptions } from './file.js'
import { floats, largestDifference, runOnnx } from './file/run.fixture.js'
import { values, writeConstants, writeConvolution, writeFar, writeMlp } from './file/toy-graph.fixture.js'

let folder = ''
beforeAll(async () => {
  folder = await temporaryFolder()
  writeMlp(`${folder}/mlp.onnx`)
  writeMlp(`${folder}/half.onnx`, 'f16')
  writeMlp(`${folder}/old.onnx`, 'f32', 9)
  writeConvolution(`${folder}/convolution.onnx`)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface GridOptions {
  readonly bits: number
  readonly group: number
  readonly zeros?: boolean
}

/** A random tree of codes, (rows, columns). */
const grid = (rows: number, columns: number, { bits, group, zeros = false }: GridOptions): Parameter => {
  const rng = createRng(bits + group)
  const count = rows * Math.ceil(columns / group)
  const draw = (length: number) => Uint8Array.from({ length }, () => rng.integer(2 ** bits))
  return affineOf({
    ...{ shape: [rows, columns], bits, group, codes: draw(rows * columns) },
    scales: Float32Array.from({ length: count }, () => Math.fround(rng.uniform() / 2 ** bits)),
    ...(zeros ? { zeros: draw(count) } : {}),
  })
}

const compressed = async (
  name: string,
  parameters: Readonly<Record<string, Parameter>>,
  options: Omit<OnnxSinkOptions, 'source'> = {},
): Promise<string> => {
  const source = await openOnnx(`${folder}/${name}.onnx`)
  try {
    const path = `${folder}/out.onnx`
    const sink = onnxSink(path, { source, overwrite: true, ...options })
    for (const [key, parameter] of Object.entries(parameters)) await sink.write(key, parameter)
    await (
      await sink.finish()
    ).close!()
    return path
  } finally {
    await source.close()
  }
}

/** The perceptron on the values that its parameters decode to. */
const mlp = (x: Float32Array, weights: Readonly<Record<string, Parameter>>): Float32Array =>
  tf.tidy(() => {
    const plain = {
      up: fromFloat32(values(96 * 64, 1), 'f32', [96, 64]),
      down: fromFloat32(values(24 * 64, 3), 'f32', [24, 64]),
      ...weights,
    }
    const hidden = tf.relu(tf.add(tf.matMul(tf.tensor2d(x, [2, 96]), decode(plain.up) as tf.Tensor2D), tf.tensor1d(values(64, 2))))
    const y = tf.add(tf.matMul(hidden as tf.Tensor2D, decode(plain.down) as tf.Tensor2D, false, true), tf.tensor1d(values(24, 4)))
    return y.dataSync() as Float32Array
  })

const x = values(192, 9)
const difference = async (weights: Readonly<Record<string, Parameter>>, options: Omit<OnnxSinkOptions, 'source'> = {}): Promise<number> => {
  const { y } = await runOnnx(await compressed('mlp', weights, options), { x: floats(x, [2, 96]) })
  return largestDifference(y.data, mlp(x, weights))
}
const mlpGrids = (options: GridOptions) => ({
  up: matrixOf(grid(64, 96, options), 1, [96, 64]),
  down: grid(24, 64, options),
})

it('reads initializers by range and says what they are', async () => {
  const { params, tensors, close } = await openOnnx(`${folder}/mlp.onnx`)
  expect(params.names()).toEqual(['up', 'shift', 'down', 'bias'])
  expect(params.info('up')).toEqual({ dtype: 'f32', shape: [96, 64], byteLength: 24576 })
  expect(tensors.map(({ range }) => range !== undefined)).toEqual([true, false, true, false])
  expect(await params.read('down')).toEqual(fromFloat32(values(24 * 64, 3), 'f32', [24, 64]))
  expect(await params.read('bias')).toEqual(fromFloat32(values(24, 4), 'f32', [24]))
  await close()
})

it('leaves a graph as it was where nothing is written', async () => {
  const feeds = { x: floats(x, [2, 96]) }
  const { y } = await runOnnx(await compressed('mlp', {}), feeds)
  expect(y.data).toEqual((await runOnnx(`${folder}/mlp.onnx`, feeds)).y.data)
})

const GRIDS: readonly GridOptions[] = [
  ...[2, 3, 4, 5, 8].flatMap(bits => [16, 32, 48, 96].flatMap(group => [false, true].map(zeros => ({ bits, group, zeros })))),
]
// every fifth: each number of bits, each group, with zeros and without
it.each(casesTried(GRIDS, 5))('multiplies by grids through MatMulNBits: %j', async options => {
  expect(await difference(mlpGrids(options))).toBeLessThan(2e-4)
})
it.each(
  casesTried(
    GRIDS.filter(({ bits }) => bits > 2),
    5,
  ),
)('multiplies by grids through DequantizeLinear: %j', async options => {
  expect(await difference(mlpGrids(options), { form: 'QDQ' })).toBeLessThan(1e-4)
})

it('multiplies by factors, sums, permuted columns and masks as they stand', async () => {
  const thin = (rows: number, columns: number, seed: number) => fromFloat32(values(rows * columns, seed), 'f32', [rows, columns])
  const factored = factoredOf(thin(64, 3, 1), thin(3, 96, 2))
  const order = Array.from({ length: 96 }, (_, i) => (i * 7) % 96)
  const permuted = permutedOf(order, grid(64, 96, { bits: 4, group: 32 }))
  const kept = Array.from({ length: 64 * 96 }, (_, i) => ((i * i) % 3 === 1 ? 1 : 0))
  const trees = {
    factored,
    sum: sumOf(grid(64, 96, { bits: 4, group: 32 }), factored),
    permuted,
    'permuted floats': permutedOf(order, thin(64, 96, 3)),
    masked: maskedOf(kept, thin(64, 96, 3)),
    'masked grid': maskedOf(kept, grid(64, 96, { bits: 4, group: 32, zeros: true })),
  }
  for (const [name, tree] of Object.entries(trees)) {
    const most = await difference({ up: matrixOf(tree, 1, [96, 64]) })
    expect({ name, close: most < 2e-4 }).toEqual({ name, close: true })
  }
})

it('keeps half floats as they are and widens them when the graph runs', async () => {
  const half = fromFloat32(values(96 * 64, 1), 'f16', [96, 64])
  expect(await difference({ up: half })).toBeLessThan(1e-5)
  const whole = { up: fromFloat32(values(96 * 64, 1), 'f32', [96, 64]) }
  const path = await compressed('mlp', whole, { float: 'f16' })
  const { params, close } = await openOnnx(path)
  expect(await params.read('up_f16')).toEqual(half)
  await close()
})

const roundToEven = (value: number): number => (Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : Math.round(value))

/** What DynamicQuantizeLinear makes of a tensor: 256 steps from its lowest value to its highest, 0 among them. */
const rounded = (input: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    const [low, high] = [Math.min(0, tf.min(input).dataSync()[0]), Math.max(0, tf.max(input).dataSync()[0])]
    const step = Math.fround((high - low) / 255)
    const zero = Math.round(-low / step)
    return tf.mul(tf.sub(tf.clipByValue(tf.add(tf.round(tf.div(input, step)), zero), 0, 255), zero), step)
  })

it.each(['dynamic', 'static'] as const)('rounds inputs to 8 bits: %s', async kind => {
  const weights = { up: matrixOf(grid(64, 96, { bits: 8, group: 96 }), 1, [96, 64]) }
  const input = tf.tensor1d(x)
  const range = [tf.min(input).dataSync()[0], tf.max(input).dataSync()[0]] as const
  const options = kind === 'dynamic' ? { form: 'dynamic' as const } : { form: 'QDQ' as const, ranges: { up: range } }
  const { y } = await runOnnx(await compressed('mlp', weights, options), { x: floats(x, [2, 96]) })
  const expected = mlp(rounded(input).dataSync() as Float32Array, weights)
  expect(largestDifference(y.data, expected)).toBeLessThan(1e-4)
  expect(largestDifference(y.data, mlp(x, weights))).toBeGreaterThan(1e-3)
})

it('rounds inputs on the grid that stands among the parameters of their site, by hand', async () => {
  const [scale, zero] = [fromFloat32([0.25], 'f32', [1]), fromIntegers([3], 'u3', [1])] // −0.75 … 1 in steps of 0.25
  const path = await compressed('mlp', { 'node_MatMul_0.input_zero_point': zero, 'node_MatMul_0.input_scale': scale })
  const onGrid = x.map(value => 0.25 * Math.max(-3, Math.min(4, roundToEven(value / 0.25))))
  const { y } = await runOnnx(path, { x: floats(x, [2, 96]) })
  expect(largestDifference(y.data, mlp(onGrid, {}))).toBeLessThan(1e-4)
  expect(largestDifference(y.data, mlp(x, {}))).toBeGreaterThan(1e-2)
})

it('stores filters of convolutions with a scale each', async () => {
  const ranged = { up: matrixOf(blocksToTree('q4_1', new Uint8Array(64 * 3 * 20), [64, 96]), 1, [96, 64]) }
  expect((await codeOf(compressed('mlp', ranged))).message).toContain('up is ranged{data: u4, scale: f16, minimum: f16}.')
  const filters = matrixOf(grid(8, 27, { bits: 8, group: 27, zeros: true }), 0, [8, 3, 3, 3])
  const images = values(2 * 192, 3)
  const path = await compressed('convolution', { filters })
  const { y } = await runOnnx(path, { x: floats(images, [2, 3, 8, 8]) })
  const expected = tf.tidy(() => {
    const pixels = tf.transpose(tf.tensor4d(images, [2, 3, 8, 8]), [0, 2, 3, 1])
    const shaped = tf.transpose(decode(filters) as tf.Tensor4D, [2, 3, 1, 0])
    const padded = tf.pad(pixels, [[0, 0], [1, 1], [1, 1], [0, 0]]) // prettier-ignore
    const filtered = tf.relu(tf.add(tf.conv2d(padded, shaped, 2, 'valid'), tf.tensor1d(values(8, 6))))
    const flat = tf.reshape(tf.transpose(filtered, [0, 3, 1, 2]), [2, 128])
    return tf.matMul(flat as tf.Tensor2D, tf.tensor2d(values(640, 7), [128, 5])).dataSync()
  })
  expect(largestDifference(y.data, expected)).toBeLessThan(1e-4)
})

it('keeps data beside the model where asked for, and past a limit, and reads it by range', async () => {
  const weights = mlpGrids({ bits: 8, group: 96 })
  for (const options of [{ external: true }, { limit: 1024 }]) {
    const path = await compressed('mlp', weights, options)
    expect((await stat(path)).size).toBeLessThan(64 * 128)
    expect((await stat(`${path}_data`)).size).toBe(64 * 128 + 'tersor.written'.length)
    const { y } = await runOnnx(path, { x: floats(x, [2, 96]) })
    expect(largestDifference(y.data, mlp(x, weights))).toBeLessThan(1e-4)
  }
  const path = await compressed('mlp', {}, { external: true })
  const { params, close } = await openOnnx(path)
  expect(await params.read('down')).toEqual(fromFloat32(values(24 * 64, 3), 'f32', [24, 64]))
  await close()
  expect(await difference({})).toBeLessThan(1e-4)
  await expect(stat(`${folder}/out.onnx_data`)).rejects.toThrow('ENOENT')
})

const codeOf = (promise: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> =>
  promise.then(
    () => ({ code: 'none', message: '' }),
    (error: { code: string; message: string }) => ({ code: error.code, message: error.message }),
  )

it('names all weights that have no place, and the step that would give them one', async () => {
  const weights = { up: matrixOf(grid(64, 96, { bits: 4, group: 24 }), 1, [96, 64]), down: grid(24, 64, { bits: 4, group: 8 }) }
  expect(await codeOf(compressed('mlp', weights))).toEqual({
    code: 'UNSUPPORTED',
    message: [
      'ONNX has no place for 2 of the tensors: up has groups of 24; down has groups of 8.',
      'Quantize it by gptq or rtn with a group that is a multiple of 16, or by rows. Or leave them out with only.',
    ].join('\n'),
  })
  expect(await codeOf(compressed('mlp', { 'node_Gemm_3.input_scale': fromFloat32([1], 'f32', [1]) }))).toEqual({
    code: 'UNSUPPORTED',
    message: [
      'ONNX has no place for 1 of the tensors: node_Gemm_3.input_zero_point is missing.',
      'Write scale and zero point of an input together. Or leave them out with only.',
    ].join('\n'),
  })
  const filters = matrixOf(grid(8, 27, { bits: 8, group: 9 }), 0, [8, 3, 3, 3])
  const { message } = await codeOf(compressed('convolution', { filters }))
  expect(message).toContain('filters has groups of 9 in a tensor of 4 axes')
})

it('refuses names that the graph lacks and forms that there are not', async () => {
  expect((await readdir(folder)).filter(name => name.includes('partial'))).toEqual([])
  expect((await codeOf(compressed('mlp', { other: fromFloat32([1], 'f32', [1]) }))).code).toBe('NOT_FOUND')
  expect((await codeOf(compressed('mlp', {}, { form: 'Q4_K' as 'QDQ' }))).code).toBe('BAD_OPTION')
  for (const ranges of [{ other: [0, 1] as const }, { up: [1, 0] as const }, { up: [0, NaN] as const }])
    expect((await codeOf(compressed('mlp', {}, { ranges }))).message).toMatch(/^ranges has .* for "(other|up)"\.\nPass/)
})

it('packs codes and zeros as ONNX Runtime describes them: low bits first, rows padded to whole bytes', async () => {
  const codes = Uint8Array.from({ length: 64 * 96 }, (_, i) => (i % 96) % 16)
  const zeros = Uint8Array.from({ length: 64 * 3 }, (_, i) => [1, 2, 3][i % 3])
  const scales = Float32Array.from({ length: 64 * 3 }, (_, i) => [0.5, 0.25, 0.125][i % 3])
  const up = matrixOf(affineOf({ shape: [64, 96], bits: 4, group: 32, codes, scales, zeros }), 1, [96, 64])
  const { params, graph, close } = await openOnnx(await compressed('mlp', { up }))
  const read = async (name: string) => (await params.read(name)) as Dense
  const data = await read('up_Q4')
  expect(data.shape).toEqual([64, 3, 16])
  expect([...data.bytes.subarray(0, 8)]).toEqual([0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe])
  expect(await read('up_scales')).toEqual(fromFloat32(scales, 'f32', [64, 3]))
  const points = await read('up_zero_points')
  expect([points.shape, [...points.bytes.subarray(0, 2)]]).toEqual([
    [64, 2],
    [0x21, 0x03],
  ])
  const { opType, domain, attribute } = graph.node[0]
  expect([opType, domain]).toEqual(['MatMulNBits', 'com.microsoft'])
  expect(Object.fromEntries(attribute.map(({ name, i }) => [name, Number(i)]))).toEqual({ K: 96, N: 64, bits: 4, block_size: 32 })
  await close()
})

it.each(['MatMulNBits', 'QDQ', 'dynamic'] as const)('multiplies in a graph of half floats: %s', async form => {
  const scaled = (rows: number, columns: number, group: number) =>
    affineOf({
      ...{ shape: [rows, columns], bits: 8, group, codes: Uint8Array.from({ length: rows * columns }, (_, i) => (i * 37) % 256) },
      scales: new Float32Array(rows * Math.ceil(columns / group)).fill(2 ** -10),
    })
  const weights = { up: matrixOf(scaled(64, 96, form === 'dynamic' ? 96 : 32), 1, [96, 64]) }
  const halves = Uint16Array.from(x, encodeF16)
  const { y } = await runOnnx(await compressed('half', weights, { form }), { x: new Tensor('float16', halves, [2, 96]) })
  const got = y.data instanceof Uint16Array ? Float32Array.from(y.data, decodeF16) : y.data
  expect(largestDifference(got, mlp(Float32Array.from(halves, decodeF16), weights))).toBeLessThan(0.05)
})

it('refuses scales that a graph of halves cannot hold, and operators that an old graph does not know', async () => {
  const scaled = (scale: number) =>
    matrixOf(
      affineOf({ shape: [64, 96], bits: 4, group: 96, codes: new Uint8Array(64 * 96), scales: new Float32Array(64).fill(scale) }),
      1,
      [96, 64],
    )
  expect((await codeOf(compressed('half', { up: scaled(1e-9) }))).message).toContain('up has scales that no half-precision number holds')
  const { code, message } = await codeOf(compressed('old', { up: scaled(0.125) }, { form: 'dynamic' }))
  expect(code).toBe('UNSUPPORTED')
  expect(message).toContain('up takes operators of version 11, and the graph has version 9')
  const blocks = { up: matrixOf(grid(64, 96, { bits: 4, group: 32 }), 1, [96, 64]) }
  expect((await codeOf(compressed('old', blocks, { form: 'QDQ' }))).message).toContain('up takes operators of version 21')
})

it.each([
  [{ bits: 8, group: 96 }, 'QDQ'],
  [{ bits: 4, group: 96 }, 'QDQ'],
  [{ bits: 4, group: 96, zeros: true }, 'QDQ'],
  [{ bits: 4, group: 32 }, 'MatMulNBits'],
] as const)("takes ONNX Runtime's own operators where the graph is older than ONNX's: %j %s", async (options, form) => {
  const weights = { up: matrixOf(grid(64, 96, options), 1, [96, 64]) }
  const low = x.reduce((a, b) => Math.min(a, b))
  const high = x.reduce((a, b) => Math.max(a, b))
  const path = await compressed('old', weights, { form })
  const { y } = await runOnnx(path, { x: floats(x, [2, 96]) })
  expect(largestDifference(y.data, mlp(x, weights))).toBeLessThan(1e-4)
  const { model, close } = await openOnnx(path)
  expect(model.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toContainEqual(['', 9])
  await close()
  const rounding = await runOnnx(await compressed('old', weights, { form, ranges: { up: [low, high] } }), { x: floats(x, [2, 96]) })
  expect(largestDifference(rounding.y.data, mlp(rounded(tf.tensor1d(x)).dataSync() as Float32Array, weights))).toBeLessThan(1e-4)
})

it('takes matrices and biases of Constant nodes for initializers, and leaves what the graph gives', async () => {
  writeConstants(`${folder}/constants.onnx`)
  const { params, graph, close } = await openOnnx(`${folder}/constants.onnx`)
  expect(params.names()).toEqual(['up', 'shift'])
  expect(graph.node.filter(({ opType }) => opType === 'Constant').map(({ output }) => output[0])).toEqual(['shown'])
  expect(await params.read('up')).toEqual(fromFloat32(values(96 * 64, 1), 'f32', [96, 64]))
  await close()
  const feeds = { x: floats(x, [2, 96]) }
  const expected = await runOnnx(`${folder}/constants.onnx`, feeds)
  for (const options of [{}, { external: true }]) {
    const same = await runOnnx(await compressed('constants', {}, options), feeds)
    expect([same.y.data, same.shown.data]).toEqual([expected.y.data, expected.shown.data])
  }
  const up = matrixOf(grid(64, 96, { bits: 4, group: 32 }), 1, [96, 64])
  const { y } = await runOnnx(await compressed('constants', { up }), feeds)
  const plain = fromFloat32(decode(up).dataSync() as Float32Array, 'f32', [96, 64])
  const wanted = await runOnnx(await compressed('constants', { up: plain }), feeds)
  expect(largestDifference(y.data, wanted.y.data)).toBeLessThan(1e-4)
})

it('reads external data that begins past 2 GiB', async () => {
  const offset = 2 ** 31 + 4096
  writeFar(`${folder}/far.onnx`, offset)
  const file = await open(`${folder}/far.bin`, 'w') // a sparse file: it takes a page on the disk
  await file.write(new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer), 0, 32, offset)
  await file.close()
  const { params, close } = await openOnnx(`${folder}/far.onnx`)
  expect(await params.read('far')).toEqual(fromFloat32([1, 2, 3, 4, 5, 6, 7, 8], 'f32', [4, 2]))
  await close()
  const { y } = await runOnnx(await compressed('far', {}), { x: floats(Float32Array.of(1, 0, 0, 1), [1, 4]) })
  expect([...(y.data as Float32Array)]).toEqual([8, 10])
  await rm(`${folder}/far.bin`)
})
