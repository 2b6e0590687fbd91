import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { affineOf, blocksToTree, createRng, decode, maskedOf, matrixOf } from '@tersor/core'
import { fromFloat32, fromIntegers, toFloat32, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import { mutate, TEXT, tries } from './files/mutations.fixture.js'
import { openTfjs, tfjsSink, type TfjsSinkOptions } from './tfjs.js'

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const save = async (path: string, parameters: Readonly<Record<string, Parameter>>, options: TfjsSinkOptions = {}): Promise<void> => {
  const sink = tfjsSink(path, options)
  for (const [name, parameter] of Object.entries(parameters)) await sink.write(name, parameter)
  await (await sink.finish()).close?.()
}

/** A model.json with one file of weights, as the converter writes it. */
const place = async (
  weights: readonly object[],
  bytes: Uint8Array,
  extra: object = {},
  sizes: readonly number[] = [bytes.length],
): Promise<string> => {
  let start = 0
  const paths = sizes.map((_, index) => `group1-shard${index + 1}of${sizes.length}.bin`)
  for (const [index, size] of sizes.entries()) await writeFile(join(folder, paths[index]), bytes.subarray(start, (start += size)))
  const path = join(folder, 'model.json')
  await writeFile(
    path,
    JSON.stringify({ format: 'graph-model', modelTopology: { node: [] }, weightsManifest: [{ paths, weights }], ...extra }),
  )
  return path
}

const refusal = async (work: Promise<unknown>): Promise<readonly string[]> => {
  const error = (await work.catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.replaceAll(folder, '').split('\n')]
}

const f32 = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)

/** What unmodified tfjs makes of a folder. */
const inTfjs = async (path: string, name = 'model.json') => {
  const json = JSON.parse(await readFile(join(path, name), 'utf8')) as { weightsManifest?: tf.io.WeightsManifestConfig }
  const groups = json.weightsManifest ?? (json as unknown as tf.io.WeightsManifestConfig)
  const bytes = Buffer.concat(await Promise.all(groups.flatMap(({ paths }) => paths).map(file => readFile(join(path, file)))))
  return tf.io.decodeWeights(Uint8Array.from(bytes).buffer, groups.flatMap(({ weights }) => weights)) // prettier-ignore
}

describe('reading', () => {
  it('gives what tfjs gives, across shards', async () => {
    const halves = fromFloat32([0.5, -2], 'f16', [2]).bytes
    const weights = [
      { name: 'a', shape: [2], dtype: 'float32' },
      { name: 'b', shape: [3], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.1, min: -1 } },
      { name: 'c', shape: [2], dtype: 'int32', quantization: { dtype: 'uint8', scale: 2, min: -3 } },
      { name: 'd', shape: [1], dtype: 'bool' },
      { name: 'e', shape: [2], dtype: 'float32', quantization: { dtype: 'uint16', scale: 0.001, min: 0 } },
      { name: 'f', shape: [2], dtype: 'float32', quantization: { dtype: 'float16' } },
      { name: 'g', shape: [], dtype: 'int32' },
    ]
    const bytes = Uint8Array.from([...f32(1, -2), 0, 10, 255, 1, 4, 1, 232, 3, 255, 255, ...halves, 5, 0, 0, 0])
    const model = await openTfjs(await place(weights, bytes, {}, [5, 6, bytes.length - 11]))
    expect(model.params.info('b')).toEqual({ shape: [3], dtype: 'f32', byteLength: 3 }) // in the file
    expect(['a', 'c', 'd', 'e', 'f', 'g'].map(name => model.params.info(name).byteLength)).toEqual([8, 2, 1, 4, 4, 4])
    expect(model.description).toEqual({ format: 'graph-model', modelTopology: { node: [] } })
    const reference = await inTfjs(folder)
    for (const { name, shape } of weights) {
      const tensor = decode(await model.params.read(name))
      expect([...(await tensor.data())]).toEqual([...(await reference[name].data())])
      expect(tensor.shape).toEqual(shape)
    }
    expect(toInt32((await model.params.read('c')) as Dense)).toEqual(Int32Array.of(-1, 5))
    await model.close()
    await expect(model.params.read('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it.each([
    [{ shape: [-1] }, 'BAD_FILE', 'The shape of the weight "a" is [-1].'],
    [{ shape: [1e9, 1e9] }, 'BAD_FILE', 'The weight "a" of shape [1000000000,1000000000] is larger than any file.'],
    [{ shape: [3] }, 'BAD_FILE', '/model.json promises 12 bytes in group1-shard1of1.bin, but there are 8.'],
    [{ dtype: 'float8' }, 'BAD_FILE', 'The dtype of the weight "a" is "float8".'],
    [{ dtype: 'string' }, 'BAD_FILE', 'The 2 strings of the weight "a" go on beyond the end of what holds them.'],
    [{ dtype: 'string', quantization: { dtype: 'float16' } }, 'BAD_FILE', 'The quantization of the weight "a" is {"dtype":"float16"}.'],
    [{ name: '' }, 'BAD_FILE', 'A weight of the manifest is {"name":"","shape":[2],"dtype":"float32"}.'],
    [
      { quantization: { dtype: 'uint8', scale: 1e39, min: 0 } },
      'BAD_FILE',
      'The quantization of the weight "a" is {"dtype":"uint8","scale":1e+39,"min":0}.',
    ],
  ])('refuses %j', async (change, code, what) => {
    const path = await place([{ name: 'a', shape: [2], dtype: 'float32', ...change }], f32(1, 2))
    expect((await refusal(openTfjs(path))).slice(0, 2)).toEqual([code, what])
  })

  it.each(['../secret.bin', '/etc/passwd', 'a/../../b', 'C:\\x', 'http://x/y', '', 'a\0b', 'a\nb'])(
    'does not follow the path %s',
    async path => {
      await writeFile(join(folder, 'model.json'), JSON.stringify([{ paths: [path], weights: [] }]))
      expect(await refusal(openTfjs(join(folder, 'model.json')))).toEqual([
        'BAD_FILE',
        `A path of the weights manifest is ${JSON.stringify(path)}.`,
        'Files stand beside the manifest or below it.',
      ])
    },
  )

  it.each([
    ['nonsense', '{', 'is not JSON'],
    ['a number', '4', 'The model is neither an object nor a list.'],
    ['no manifest', '{}', 'The weights manifest is undefined, expected a list of groups.'],
    ['no group', '[4]', 'Group 0 of the weights manifest has no "paths" and "weights".'],
  ])('refuses %s', async (_, text, what) => {
    await writeFile(join(folder, 'model.json'), text)
    const [code, first] = await refusal(openTfjs(join(folder, 'model.json')))
    expect(code).toBe('BAD_FILE')
    expect(first).toContain(what)
  })

  it('opens a model with strings and complex numbers among its weights, and writes them again as they are', async () => {
    const text = Uint8Array.from([3, 0, 0, 0, 195, 164, 98, 0, 0, 0, 0]) // "äb" and ""
    const weights = [
      { name: 'a', shape: [2], dtype: 'float32' },
      { name: 'words', shape: [2], dtype: 'string' },
      { name: 'b', shape: [1], dtype: 'float32' },
      { name: 'waves', shape: [1], dtype: 'complex64' },
    ]
    const model = await openTfjs(await place(weights, Uint8Array.from([...f32(1, 2), ...text, ...f32(3), ...f32(4, -5)])))
    expect(model.params.names()).toEqual(['a', 'b', 'waves'])
    expect(toFloat32((await model.params.read('b')) as Dense)).toEqual(Float32Array.of(3))
    expect(await refusal(model.params.read('words'))).toEqual([
      'UNSUPPORTED',
      'The weight "words" holds strings, which are no numbers.',
      'They are written again as they are; freeze the graph without its tables of words to be rid of them.',
    ])
    const parameters = Object.fromEntries(
      await Promise.all(model.params.names().map(async name => [name, await model.params.read(name)] as const)),
    )
    await save(join(folder, 'again'), parameters, { description: model.description, manifest: model.manifest })
    await model.close()
    const { words, waves, b } = await inTfjs(join(folder, 'again'))
    expect([await words.data(), [...(await b.data())], [...(await waves.data())]]).toEqual([['äb', ''], [3], [4, -5]])
  })

  it('refuses a name twice', async () => {
    const path = await place([{ name: 'a', shape: [1], dtype: 'float32' }, { name: 'a', shape: [1], dtype: 'float32' }], f32(1, 2)) // prettier-ignore
    expect((await refusal(openTfjs(path)))[1]).toBe('The weights manifest has "a" twice.')
  })
})

describe('writing', () => {
  const codes = Uint8Array.from({ length: 24 }, (_, i) => (i * 37) % 256)

  it('writes uint8, float16 and plain tensors that unmodified tfjs reads, in shards', async () => {
    const parameters = {
      grid: affineOf({ shape: [4, 6], bits: 8, group: 6, codes, scales: [0.5], zeros: [100] }),
      narrow: affineOf({ shape: [4, 6], bits: 3, group: 6, codes: codes.map(code => code % 8), scales: [0.25] }),
      kernel: matrixOf(affineOf({ shape: [4, 6], bits: 8, group: 6, codes, scales: [0.5], zeros: [7] }), 3, [1, 2, 3, 4]),
      depthwise: matrixOf(affineOf({ shape: [4, 6], bits: 8, group: 6, codes, scales: [2] }), 2, [2, 3, 4, 1]),
      half: fromFloat32([1, 2.5], 'f16', [2]),
      plain: fromFloat32([Math.fround(0.1)], 'bf16', [1]),
      whole: fromIntegers([1, -2], 'i32', [2]),
    }
    const path = join(folder, 'out')
    const provenance = [{ method: 'rtn', options: { bits: 8 }, seed: 1, version: '0.1.0' }]
    await save(path, parameters, { description: { format: 'graph-model', modelTopology: {} }, maxShardBytes: 50, provenance })
    expect((await readdir(path)).sort()).toEqual([
      '.tersor.json',
      ...['group1-shard1.bin', 'group1-shard2.bin', 'group1-shard3.bin', 'model.json'],
    ])
    const got = await inTfjs(path)
    for (const [name, parameter] of Object.entries(parameters)) {
      const expected = decode(parameter)
      expect(got[name].shape).toEqual(expected.shape)
      expect([...(await got[name].data())]).toEqual([...(await expected.data())])
    }
    const model = await openTfjs(join(path, 'model.json'))
    expect(model.provenance).toEqual(provenance)
    await model.close()
  })

  it('keeps the bytes of what was quantized and did not change', async () => {
    const quantization = { dtype: 'uint8', scale: 0.013, min: -1.5 }
    const source = await place([{ name: 'a', shape: [24], dtype: 'float32', quantization }, { name: 'b', shape: [2], dtype: 'bool' }], Uint8Array.from([...codes, 1, 0])) // prettier-ignore
    const model = await openTfjs(source)
    const path = join(folder, 'out')
    await save(path, { a: await model.params.read('a'), b: await model.params.read('b') }, model)
    await model.close()
    expect([...(await readFile(join(path, 'group1-shard1.bin')))]).toEqual([...codes, 1, 0])
    const whole = { dtype: 'uint8', scale: 1, min: 510 }
    const counts = await openTfjs(await place([{ name: 'n', shape: [3], dtype: 'int32', quantization: whole }], Uint8Array.of(2, 0, 255)))
    await save(path, { n: await counts.params.read('n') }, { ...counts, overwrite: true })
    await counts.close()
    expect([...(await readFile(join(path, 'group1-shard1.bin')))]).toEqual([2, 0, 255])
    expect([...(await (await inTfjs(path)).n.data())]).toEqual([512, 510, 765])
    const changed = fromFloat32([1.2345], 'f32', [1])
    await save(path, { a: changed }, { manifest: model.manifest, overwrite: true, name: 'model.json' })
    expect([...(await readFile(join(path, 'group1-shard1.bin')))]).toEqual([...f32(1.2345)])
  })

  it('tells all that does not fit at once, with the step that would make it fit, and writes nothing', async () => {
    const rows = affineOf({ shape: [4, 6], bits: 8, group: 6, codes, scales: [1, 2, 3, 4] })
    const work = save(join(folder, 'out'), {
      rows,
      masked: maskedOf(new Uint8Array(2).fill(1), fromFloat32([1, 2], 'f32', [1, 2])),
      super: blocksToTree('q3_k', new Uint8Array(110), [1, 256]),
      'conv.input_scale': fromFloat32([1], 'f32', [1]),
      fine: fromFloat32([1], 'f32', [1]),
    })
    expect(await refusal(work)).toEqual([
      'UNSUPPORTED',
      'A tfjs manifest has no place for 4 of the tensors: rows has 4 scales, and tfjs keeps one for a tensor; masked is masked, and tfjs keeps one grid of codes for a tensor; super has scales that are codes themselves; conv.input_scale is the grid of a layer’s inputs, and tfjs computes in float32.',
      "Quantize it by rtn with bits=8 and granularity='tensor'. Leave out what rounds inputs.",
    ])
    expect(await readdir(folder)).toEqual([])
  })

  it('refuses a name twice and a folder that is there', async () => {
    const sink = tfjsSink(join(folder, 'out'))
    await sink.write('a', fromFloat32([1], 'f32', [1]))
    expect(await refusal(sink.write('a', fromFloat32([1], 'f32', [1])))).toEqual(['BAD_DATA', 'The name "a" is taken already.', 'Write every parameter once, under a name of its own.']) // prettier-ignore
    expect(await readdir(folder)).toEqual([])
    await mkdir(join(folder, 'out'))
    expect((await refusal(save(join(folder, 'out'), { a: fromFloat32([1], 'f32', [1]) })))[0]).toBe('OUTPUT_EXISTS')
    expect(await readdir(folder)).toEqual(['out'])
  })
})

const MUTATIONS = tries(2500)

it(`gives coded errors or weights for ${MUTATIONS} damaged manifests, in bounded time and memory`, async () => {
  const weights = [
    { name: 'a', shape: [2, 3], dtype: 'float32' },
    { name: 'b', shape: [4], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
    { name: 'c', shape: [2], dtype: 'int32' },
  ]
  const path = await place(weights, new Uint8Array(36).fill(3), { modelTopology: { node: [{ name: 'x', op: 'Const' }], versions: {} } })
  const text = await readFile(path)
  const rng = createRng(5)
  let [refused, longest, largest] = [0, 0, 0]
  for (let i = 0; i < MUTATIONS; i++) {
    const mutated = mutate(text, TEXT, rng)
    await writeFile(path, mutated)
    const before = process.memoryUsage()
    const started = performance.now()
    try {
      const model = await openTfjs(path)
      try {
        for (const name of model.params.names()) expect(toFloat32OrInts((await model.params.read(name)) as Dense).length).toBeLessThan(40)
      } finally {
        await model.close()
      }
    } catch (error) {
      refused++
      const { name, message } = error as Error
      if (name !== 'CompressionError' || message.split('\n').length !== 2)
        throw new Error(`manifest ${i}: ${mutated.toString()}`, { cause: error })
    }
    const after = process.memoryUsage()
    longest = Math.max(longest, performance.now() - started)
    largest = Math.max(largest, after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed)
  }
  expect(longest).toBeLessThan(2000)
  expect(largest).toBeLessThan(64 << 20)
  expect(refused).toBeGreaterThan(MUTATIONS / 2)
}, 120_000)

const toFloat32OrInts = (tensor: Dense): ArrayLike<number> =>
  tensor.dtype === 'f32' || tensor.dtype === 'f16' ? toFloat32(tensor) : toInt32(tensor)
