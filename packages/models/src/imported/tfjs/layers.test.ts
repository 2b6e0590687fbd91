import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as layers from '@tensorflow/tfjs-layers'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { compress, createRng, forward, loadModel, pipeline, sitesOf, toMatrix, type Model } from '@tersor/core'
import { rowsOf } from '@tersor/core/internal/model/unfold'
import { tfjsSink } from '@tersor/formats/tfjs'
import { gptq, rtn } from '@tersor/quantization'
import { openModel } from '../../opening/open-model.js'
import { openTfjsModel, type TfjsGraphModel } from './model.js'
import { saveLayers } from './tiny-tfjs.fixture.js'

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-layers-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const L = layers.layers
const usual = { recurrentInitializer: 'glorotUniform' as const }

/** What unmodified tfjs makes of the file. */
const inTfjs = async (path: string, x: tf.Tensor): Promise<readonly number[]> => {
  const { weightsManifest, ...rest } = JSON.parse(await readFile(path, 'utf8')) as { weightsManifest: tf.io.WeightsManifestConfig; modelTopology: object } // prettier-ignore
  const files = weightsManifest.flatMap(({ paths }) => paths)
  const bytes = Buffer.concat(await Promise.all(files.map(file => readFile(join(dirname(path), file)))))
  const weightSpecs = weightsManifest.flatMap(({ weights }) => weights)
  const model = await layers.loadLayersModel({ load: async () => ({ ...rest, weightSpecs, weightData: Uint8Array.from(bytes).buffer }) })
  const y = model.predict(x) as tf.Tensor
  const values = [...(await y.data())]
  y.dispose()
  model.dispose()
  return values
}

const outputOf = async (model: Model, x: tf.Tensor): Promise<readonly number[]> => {
  const { weights, dispose } = await loadModel(model)
  const y = forward(model, x, { weights })
  const values = [...(await y.data())]
  y.dispose()
  dispose()
  return values
}

interface Case {
  readonly make: () => layers.Sequential
  readonly shape: readonly number[]
  /** Sites by what comes after the name of their layer, and whether their inputs are seen. */
  readonly sites: readonly (readonly [name: RegExp, seen: boolean])[]
  readonly words?: number
}

const CASES: Readonly<Record<string, Case>> = {
  'a convolution along one axis': {
    make: () =>
      layers.sequential({
        layers: [
          L.conv1d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', inputShape: [9, 2] }),
          L.flatten(),
          L.dense({ units: 2 }),
        ],
      }),
    shape: [2, 9, 2],
    sites: [
      [/^conv1d/, true],
      [/^dense/, true],
    ],
  },
  'LSTM over an embedding': {
    make: () =>
      layers.sequential({
        layers: [L.embedding({ inputDim: 7, outputDim: 3, inputLength: 4 }), L.lstm({ units: 4, ...usual }), L.dense({ units: 2 })],
      }),
    shape: [2, 4],
    sites: [
      [/^embedding/, false],
      [/\/kernel$/, true],
      [/\/recurrent$/, true],
      [/^dense/, true],
    ],
    words: 7,
  },
  'a simple recurrent layer': {
    make: () => layers.sequential({ layers: [L.simpleRNN({ units: 4, inputShape: [3, 2], ...usual })] }),
    shape: [2, 3, 2],
    sites: [
      [/\/kernel$/, true],
      [/\/recurrent$/, true],
    ],
  },
  'a separable and a transposed convolution': {
    make: () =>
      layers.sequential({
        layers: [
          L.separableConv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2] }),
          L.conv2dTranspose({ filters: 3, kernelSize: 2 }),
          L.flatten(),
          L.dense({ units: 2 }),
        ],
      }),
    shape: [2, 6, 6, 2],
    sites: [
      [/\/depthwise$/, true],
      [/\/pointwise$/, false],
      [/^conv2d_transpose/i, false],
      [/^dense/, true],
    ],
  },
  'a layer at each time and GRU in both directions': {
    make: () =>
      layers.sequential({
        layers: [
          L.timeDistributed({ layer: L.dense({ units: 3 }), inputShape: [4, 2] }),
          L.bidirectional({ layer: L.gru({ units: 3, returnSequences: false, ...usual }) as layers.RNN, mergeMode: 'concat' }),
          L.dense({ units: 2 }),
        ],
      }),
    shape: [2, 4, 2],
    sites: [
      [/^dense/, true],
      [/\/kernel$/, true],
      [/\/recurrent$/, false],
      [/\/kernel$/, true],
      [/\/recurrent$/, false],
      [/^dense/, true],
    ],
  },
}

const inputOf = ({ shape, words }: Case): tf.Tensor => {
  const rng = createRng(5)
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (words ? rng.integer(words) : rng.normal()))
  return tf.tensor(values, [...shape])
}

const largest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

describe.each(Object.entries(CASES))('%s', (_, each) => {
  it('opens without leaving tensors behind, computes what unmodified tfjs does, and shows what its sites multiply', async () => {
    const path = await saveLayers(folder, each.make())
    const x = inputOf(each)
    const before = tf.memory().numTensors
    const model = await openTfjsModel(path)
    expect(tf.memory().numTensors).toBe(before)
    const sites = sitesOf(model)
    expect(sites.map(({ name }) => name)).toEqual(each.sites.map(([name]) => expect.stringMatching(name)))
    expect(await outputOf(model, x)).toEqual(await inTfjs(path, x))
    const { weights, dispose } = await loadModel(model)
    const seen = new Set<string>()
    const tap = (site: (typeof sites)[number], input: tf.Tensor): void => {
      seen.add(site.name)
      tf.tidy(() => expect(rowsOf(site, input).shape[1]).toBe(toMatrix(weights(site.weight), site.outAxis).shape[1]))
    }
    forward(model, x, { weights, tap }).dispose()
    expect(sites.map(({ name }) => seen.has(name))).toEqual(each.sites.map(([, isSeen]) => isSeen))
    dispose()
    await model.close?.()
    x.dispose()
    expect(tf.memory().numTensors).toBe(before - 1)
  })

  it('becomes a file of bytes that unmodified tfjs loads', async () => {
    const path = await saveLayers(folder, each.make())
    const [x, model] = [inputOf(each), (await openModel(path)) as TfjsGraphModel]
    const step = pipeline(rtn({ bits: 8, granularity: 'tensor', symmetric: false }))
    const out = join(folder, 'out')
    const small = await compress(model, step, { sink: () => tfjsSink(out, model.file) })
    const got = await inTfjs(join(out, 'model.json'), x)
    expect(largest(got, await outputOf(small, x))).toBeLessThan(1e-5)
    expect(largest(got, await inTfjs(path, x))).toBeLessThan(0.5)
    const codes = sitesOf(model).filter(({ kind }) => kind !== 'embedding')
    for (const { weight } of codes)
      expect(small.params.info(weight).byteLength).toBe(small.params.info(weight).shape.reduce((a, b) => a * b, 1))
    await small.params.close?.()
    await model.close?.()
    x.dispose()
  })
})

it('sees the product of a convolution along one axis in its rows and its weight', async () => {
  const each = CASES['a convolution along one axis']
  const model = await openTfjsModel(await saveLayers(folder, layers.sequential({ layers: [each.make().layers[0] as never] })))
  const [x, { weights, dispose }] = [inputOf(each), await loadModel(model)]
  let product: tf.Tensor | undefined
  const y = forward(model, x, {
    weights,
    tap: (site, input) => (product = tf.keep(tf.matMul(rowsOf(site, input), toMatrix(weights(site.weight), site.outAxis), false, true))),
  })
  const bias = weights(sitesOf(model)[0].bias!)
  const direct = tf.reshape(tf.add(product!, bias), y.shape)
  expect(largest([...(await direct.data())], [...(await y.data())])).toBeLessThan(1e-5)
  tf.dispose([x, y, direct, product!])
  dispose()
  await model.close?.()
})

it('calibrates what it sees and rounds the rest by its weights', async () => {
  const each = CASES['a layer at each time and GRU in both directions']
  const model = await openTfjsModel(await saveLayers(folder, each.make()))
  const x = inputOf(each)
  const small = await compress(model, gptq({ bits: 4, granularity: 'row' }), { calibration: [x] })
  expect(largest(await outputOf(small, x), await outputOf(model, x))).toBeLessThan(0.5)
  await model.close?.()
  x.dispose()
})

it('begins only those weights with zeros that a layer has', async () => {
  const path = await saveLayers(folder, CASES['a separable and a transposed convolution'].make())
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replaceAll(/"(depthwise|kernel)_initializer":\{.*?\}\},?/g, '')) // as a config that leaves its defaults out
  const before = tf.memory().numTensors
  const model = await openTfjsModel(path)
  expect(tf.memory().numTensors).toBe(before)
  await model.close?.()
})
