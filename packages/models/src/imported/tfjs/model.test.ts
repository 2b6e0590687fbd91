import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compress, createRng, forward, loadModel, pipeline, sitesOf, toMatrix, type Model, type Step } from '@tersor/core'
import { rowsOf } from '@tersor/core/internal/model/unfold'
import { tfjsSink } from '@tersor/formats/tfjs'
import { biasCorrection, gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { openModel } from '../../opening/open-model.js'
import { openTfjsModel, type TfjsGraphModel } from './model.js'
import { inTfjs } from './couplings/coupled-tfjs.fixture.js'
import { graphTopology, placeGraph, placeLayers } from './tiny-tfjs.fixture.js'

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const images = (count = 3): tf.Tensor => {
  const rng = createRng(6)
  return tf.tensor4d(
    Float32Array.from({ length: count * 72 }, () => rng.normal()),
    [count, 6, 6, 2],
  )
}

const outputOf = async (model: Model, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const y = forward(model, x, { weights })
  const values = await y.data<'float32'>()
  y.dispose()
  dispose()
  return values
}

const largest = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

const save = async (model: TfjsGraphModel, step: Parameters<typeof compress>[1], calibration: tf.Tensor[]): Promise<string> => {
  const path = join(folder, 'out')
  const sink = ({ provenance = [] }: Model) => tfjsSink(path, { ...model.file, provenance, overwrite: true })
  const small = await compress(model, step, { calibration, sink })
  await small.params.close?.()
  return join(path, 'model.json')
}

describe.each([
  ['graph', (path: string) => placeGraph(path), ['conv', 'deep', 'dense']],
  ['layers', placeLayers, ['conv', 'deep', 'dense']],
] as const)('a tfjs model of %s', (_, place, names) => {
  it('computes what unmodified tfjs does and shows each site what it multiplies', async () => {
    const path = await place(folder)
    const before = tf.memory().numTensors
    const model = await openTfjsModel(path)
    expect(sitesOf(model).map(({ name }) => name)).toEqual(names)
    const x = images()
    expect(await outputOf(model, x)).toEqual(await inTfjs(path, x))
    const { weights, dispose } = await loadModel(model)
    const products: Record<string, tf.Tensor> = {}
    const y = forward(model, x, {
      weights,
      tap: (site, input) => {
        const [rows, matrix] = [rowsOf(site, input), toMatrix(weights(site.weight), site.outAxis)]
        const { depthwise = false } = site.convolution ?? {}
        const [channels, size] = matrix.shape
        const each = depthwise ? tf.sum(tf.mul(tf.reshape(rows, [-1, channels, size]), matrix), 2) : tf.matMul(rows, matrix, false, true)
        products[site.name] = tf.keep(each)
      },
    })
    const bias = weights(sitesOf(model)[2].bias!)
    const direct = tf.add(products.dense, bias)
    expect(largest(await y.data<'float32'>(), await direct.data<'float32'>())).toBeLessThan(1e-4)
    expect([products.conv.shape, products.deep.shape, products.dense.shape]).toEqual([[27, 4], [27, 4], [3, 5]]) // prettier-ignore
    tf.dispose([x, y, direct, ...Object.values(products)])
    dispose()
    await model.close?.()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('is compressed, and the file loads in unmodified tfjs with what we compute', async () => {
    const path = await place(folder)
    const model = (await openModel(path)) as TfjsGraphModel
    expect(model).toMatchObject({ family: 'graph', format: 'tfjs' })
    const [x, before] = [images(), tf.memory().numTensors]
    const step = pipeline(rtn({ bits: 8, granularity: 'tensor', symmetric: false }), biasCorrection())
    const expected = await outputOf(await compress(model, step, { calibration: [x] }), x)
    const written = await save(model, step, [x])
    expect(tf.memory().numTensors).toBe(before)
    const got = await inTfjs(written, x)
    expect(largest(got, expected)).toBeLessThan(1e-5)
    expect(largest(got, await inTfjs(path, x))).toBeLessThan(0.1)
    const again = await openTfjsModel(written)
    expect(again.provenance?.map(({ method }) => method)).toEqual(['rtn', 'bias-correction'])
    await again.close?.()
    await model.close?.()
    x.dispose()
  })

  it('takes calibrated methods and quantized activations', async () => {
    const model = await openTfjsModel(await place(folder))
    const x = images(40)
    const plain = await outputOf(model, x)
    const errorOf = async (...steps: Step[]): Promise<number> => {
      const values = await outputOf(await compress(model, pipeline(...steps), { calibration: [x] }), x)
      return values.reduce((sum, value, i) => sum + (value - plain[i]) ** 2, 0)
    }
    const how = { bits: 3, granularity: 'row', only: '*e*' } as const
    expect(await errorOf(gptq(how))).toBeLessThan(await errorOf(rtn(how)))
    const [rounded, coarse] = [await errorOf(quantizeActivations()), await errorOf(quantizeActivations({ bits: 3 }))]
    expect(rounded).toBeGreaterThan(0)
    expect(coarse).toBeGreaterThan(10 * rounded)
    x.dispose()
    await model.close?.()
  })

  it('says which tensors do not fit', async () => {
    const model = await openTfjsModel(await place(folder))
    await expect(save(model, rtn({ bits: 8, granularity: 'row' }), [])).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/^A tfjs manifest has no place for 3 of the tensors: conv.*kernel has 4 scales/),
    })
    await model.close?.()
  })
})

it('shows the inputs of nodes whose names have capitals, which tfjs makes small in attributes', async () => {
  const named = JSON.parse(JSON.stringify(graphTopology).replaceAll('"conv"', '"Block/Conv2D"')) as object
  const model = await openTfjsModel(await placeGraph(folder, named))
  const [{ weights, dispose }, x, seen] = [await loadModel(model), images(), [] as string[]]
  const y = forward(model, x, { weights, tap: ({ name }) => void seen.push(name), activation: (_, input) => tf.zerosLike(input) })
  expect(seen).toEqual(['Block/Conv2D', 'deep', 'dense'])
  const bias = weights('dense/bias')
  expect([...(await y.data())]).toEqual([...(await bias.data()), ...(await bias.data()), ...(await bias.data())])
  tf.dispose([x, y])
  dispose()
  await model.close?.()
})

const code = async (path: string): Promise<readonly string[]> => {
  const error = (await openTfjsModel(path).catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.replaceAll(folder, '').split('\n')]
}

it('refuses what has no topology, control flow, and what tfjs does not take', async () => {
  await writeFile(join(folder, 'model.json'), '[]')
  expect(await code(join(folder, 'model.json'))).toEqual([
    'UNSUPPORTED',
    '/model.json holds weights and no topology of nodes or layers.',
    'Its weights can be read and written: openTfjs and tfjsSink of @tersor/formats/tfjs.',
  ])
  const loop = { ...graphTopology, node: [...graphTopology.node, { name: 'turn', op: 'Switch', input: ['images', 'sum'] }] }
  expect(await code(await placeGraph(folder, loop))).toEqual([
    'UNSUPPORTED',
    'The node "turn" is Switch, whose work hangs on values.',
    'Export the part of the graph without control flow.',
  ])
  expect(await code(await placeGraph(folder, { node: [{ name: 'x', op: 'Nothing', input: ['y'] }] }))).toEqual([
    'BAD_FILE',
    expect.stringContaining('/model.json holds a topology that tfjs does not take: '),
    'The file is damaged or was not written completely: get it again.',
  ])
})
