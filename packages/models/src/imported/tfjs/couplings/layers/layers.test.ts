import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as tfjsLayers from '@tensorflow/tfjs-layers'
import { shrink, switchedOff, type Change, type Coupling } from '@tersor/core'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTfjsModel } from '../../model.js'
import { apart, outputsOf, partsOf, placeTfjs, smallLayers, type SmallTfjs } from '../coupled-tfjs.fixture.js'
import { imageLayers } from '../image-networks.fixture.js'
import { couplingsOfTfjs } from '../tfjs-couplings.js'
import type { Json } from './config.js'
import { LAYER_RULES } from './label-layers.js'

const { layers, input, model, sequential } = tfjsLayers
type Tensor = tfjsLayers.SymbolicTensor

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-layers-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const foundIn = (small: SmallTfjs) => couplingsOfTfjs(...partsOf(small))!
const told = ({ members }: Coupling): readonly string[] =>
  members.map(
    ({ role, parameter, axis, start = 0, size = 1, repeats = 1 }) =>
    [`${role} ${parameter} axis ${axis}`, start && `start ${start}`, size > 1 && `size ${size}`, repeats > 1 && `repeats ${repeats}`].filter(Boolean).join(' '), // prettier-ignore
  )

/** A filter of 4 channels behind images (8, 8, 3), then `between`, then a reader of them. */
const around = (between: (x: Tensor, images: Tensor) => Tensor, read?: (x: Tensor) => Tensor): SmallTfjs => {
  const images = input({ shape: [8, 8, 3] })
  const made = layers.conv2d({ filters: 4, kernelSize: 1, useBias: false, name: 'w' }).apply(images) as Tensor
  const reader = (x: Tensor) => layers.conv2d({ filters: 2, kernelSize: 1, useBias: false, name: 'read' }).apply(x) as Tensor
  return smallLayers(model({ inputs: images, outputs: (read ?? reader)(between(made, images)) }))
}
const denseReader = (x: Tensor): Tensor => layers.dense({ units: 2, useBias: false, name: 'read' }).apply(x) as Tensor

const W = ['writes w/kernel axis 3', 'reads read/kernel axis 2']

const THROUGH: readonly (readonly [what: string, small: () => SmallTfjs, members: readonly string[]])[] = [
  ['activations and dropout', () => around(x => layers.leakyReLU().apply(layers.dropout({ rate: 0.5 }).apply(x)) as Tensor), W],
  [
    'pools and other sizes',
    () => around(x => layers.upSampling2d({}).apply(layers.averagePooling2d({ strides: 1 }).apply(x)) as Tensor),
    W,
  ],
  [
    'slopes that places share',
    () => around(x => layers.prelu({ name: 'slopes', sharedAxes: [1, 2] }).apply(x) as Tensor),
    ['writes w/kernel axis 3', 'carries slopes/alpha axis 2', 'reads read/kernel axis 2'],
  ],
  [
    'two kernels for each channel',
    () => around(x => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, useBias: false, name: 'd' }).apply(x) as Tensor),
    ['writes w/kernel axis 3', 'carries d/depthwise_kernel axis 2', 'reads read/kernel axis 2 size 2'],
  ],
  [
    'means of images, and dense layers over them',
    () => around(x => layers.globalAveragePooling2d({}).apply(x) as Tensor, denseReader),
    ['writes w/kernel axis 3', 'reads read/kernel axis 0'],
  ],
  [
    'flattened images',
    () => around(x => layers.flatten().apply(layers.maxPooling2d({ poolSize: 4 }).apply(x)) as Tensor, denseReader),
    ['writes w/kernel axis 3', 'reads read/kernel axis 0 repeats 4'],
  ],
  [
    'other orders of axes, and shapes that leave an extent open',
    () =>
      around(x => {
        const turned = layers.permute({ dims: [3, 1, 2] }).apply(x)
        const back = layers.permute({ dims: [2, 3, 1] }).apply(layers.reshape({ targetShape: [4, 8, 8] }).apply(turned)) as Tensor
        return layers.reshape({ targetShape: [16, -1, 4] }).apply(back) as Tensor
      }),
    W,
  ],
  [
    'layers that are called twice, whose units are one',
    () =>
      around(x => {
        const twice = layers.conv2d({ filters: 4, kernelSize: 1, useBias: false, name: 'twice' })
        return twice.apply(twice.apply(x)) as Tensor
      }),
    ['writes w/kernel axis 3', 'writes twice/kernel axis 3', 'reads twice/kernel axis 2', 'reads read/kernel axis 2'],
  ],
  [
    'models inside models that are called twice',
    () =>
      around(x => {
        const inner = sequential({ name: 'inner', layers: [layers.batchNormalization({ name: 'norm', inputShape: [8, 8, 4], center: false, scale: false })] }) // prettier-ignore
        return layers.add().apply([inner.apply(x), inner.apply(layers.reLU().apply(x))] as Tensor[]) as Tensor
      }),
    ['writes w/kernel axis 3', 'carries norm/moving_mean axis 0', 'carries norm/moving_variance axis 0', 'reads read/kernel axis 2'],
  ],
  [
    'transposed convolutions, which have outputs on their third axis',
    () => around(x => x, x => layers.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 2, useBias: false, name: 'read' }).apply(x) as Tensor), // prettier-ignore
    ['writes w/kernel axis 3', 'reads read/kernel axis 3'],
  ],
]

describe('labels go through', () => {
  it.each(THROUGH)('%s', async (_what, make, members) => {
    const small = make()
    const { couplings } = foundIn(small)
    expect(couplings.map(told)).toEqual([members])
    const large = await openTfjsModel(await placeTfjs(join(folder, 'large'), small))
    const change: Change = { keep: new Map((large.couplings ?? []).map(({ name }) => [name, [3, 1]])) }
    try {
      const masked = await outputsOf(switchedOff(large, change))
      expect(apart(masked, await outputsOf(await shrink(large, change)))).toBeLessThan(1e-5)
      expect(apart(masked, await outputsOf(large))).toBeGreaterThan(1e-3)
    } finally {
      await large.close?.()
    }
  })
})

describe('units stay whole', () => {
  it.each<readonly [string, () => SmallTfjs, string]>([
    ['that the network gives', () => around(x => x, x => x), 'they are what the graph gives'], // prettier-ignore
    [
      'that an activation takes together',
      () => around(x => layers.activation({ activation: 'softmax', name: 'shares' }).apply(x) as Tensor),
      'the softmax of Activation takes them together',
    ],
    [
      'that a norm takes together',
      () => around(x => layers.layerNormalization({ name: 'norm' }).apply(x) as Tensor),
      'LayerNormalization takes them together',
    ],
    [
      'that reach a layer without a rule',
      () => around(x => layers.timeDistributed({ layer: layers.dense({ units: 2 }), name: 'each' }).apply(x) as Tensor),
      'TimeDistributed ("each"): there is no rule for it',
    ],
    [
      'that meet what comes in from outside',
      () => around((x, images) => layers.add().apply([layers.conv2d({ filters: 3, kernelSize: 1, name: 'other' }).apply(x), images] as Tensor[]) as Tensor, x => x), // prettier-ignore
      '',
    ],
    [
      'in norms over another axis',
      () => around(x => layers.batchNormalization({ axis: 1, name: 'norm' }).apply(x) as Tensor),
      'BatchNormalization ("norm"): its channels stand before its places',
    ],
  ])('%s', (_what, make, reason) => {
    const { couplings, whole } = foundIn(make())
    if (reason === '') return expect(whole.map(({ weight }) => weight)).toContain('other/kernel')
    expect(couplings.flatMap(told).filter(member => member.includes('w/kernel'))).toEqual([])
    expect(whole.filter(({ weight }) => weight === 'w/kernel')).toEqual([{ weight: 'w/kernel', units: 4, reason }])
  })
})

it('finds what goes together in a network of images, in words of tfjs and of Keras', () => {
  const small = smallLayers(imageLayers(tfjsLayers))
  const expected = {
    'stem/kernel.channels': [
      ...['writes stem/kernel axis 3', 'writes project/kernel axis 3', 'writes project/bias axis 0'],
      ...['gamma', 'beta', 'moving_mean', 'moving_variance'].map(name => `carries norm/${name} axis 0`),
      ...['carries beside/depthwise_kernel axis 2', 'carries slopes/alpha axis 2'],
      ...['reads expand/kernel axis 2', 'reads beside/pointwise_kernel axis 2', 'reads hidden/kernel axis 0 start 30'],
    ],
    'expand/kernel.channels': [
      ...['writes expand/kernel axis 3', 'writes expand/bias axis 0', 'carries depth/depthwise_kernel axis 2', 'carries depth/bias axis 0'],
      ...['gamma', 'beta', 'moving_mean', 'moving_variance'].map(name => `carries inner_norm/${name} axis 0`),
      'reads project/kernel axis 2',
    ],
    'beside/pointwise_kernel.channels': [
      ...['writes beside/pointwise_kernel axis 3', 'writes beside/bias axis 0', 'carries slopes/alpha axis 2 start 6'],
    ],
    'hidden/kernel.neurons': ['writes hidden/kernel axis 1', 'writes hidden/bias axis 0', 'reads head/kernel axis 0'],
  }
  const found = Object.fromEntries(foundIn(small).couplings.map(each => [each.name, [...told(each)].sort()]))
  for (const [name, members] of Object.entries(expected)) for (const member of members) expect([name, found[name]]).toEqual([name, expect.arrayContaining([member])]) // prettier-ignore
  expect(Object.keys(found)).toEqual(Object.keys(expected))
  expect(foundIn(small).whole).toEqual([{ weight: 'head/kernel', units: 5, reason: 'they are what the graph gives' }])
})

it('writes the numbers that stayed into the topology: filters, units, shapes, and what comes into models inside', () => {
  const small = smallLayers(imageLayers(tfjsLayers))
  const { couplings, topology } = foundIn(small)
  const keep: Readonly<Record<string, number>> = { 'stem/kernel.channels': 4, 'expand/kernel.channels': 7, 'beside/pointwise_kernel.channels': 3, 'hidden/kernel.neurons': 5 } // prettier-ignore
  const shapes = new Map(Object.entries(small.weights).map(([name, shape]) => [name, [...shape]]))
  for (const { name, units, members } of couplings)
    for (const { parameter, axis, size = 1, repeats = 1 } of members) shapes.get(parameter)![axis] -= (units - keep[name]) * size * repeats
  const cut = new Map([...shapes].filter(([name, shape]) => shape.join() !== small.weights[name].join()))
  const { description } = topology.resize(cut)
  const configs = new Map<string, Json>()
  const visit = (config: Json): void => {
    for (const { config: own } of (config.layers ?? []) as { config: Json }[]) {
      configs.set(String(own.name), own)
      visit(own)
    }
  }
  visit((description.modelTopology as { config: Json }).config)
  expect(['stem', 'expand', 'project', 'beside'].map(name => configs.get(name)!.filters)).toEqual([4, 7, 4, 3])
  expect(['hidden', 'head'].map(name => configs.get(name)!.units)).toEqual([5, 5])
  expect(['shaped', 'back'].map(name => configs.get(name)!.target_shape)).toEqual([[16, 7], [4, 4, 7]]) // prettier-ignore
  expect(configs.get('zeros')!.batch_input_shape).toEqual([null, 4, 4, 7])
})

it('refuses weights that no choice of units gives', () => {
  const { topology } = foundIn(around(x => x))
  expect(() => topology.resize(new Map([['w/kernel', [1, 1, 3, 3]]]))).toThrow(
    expect.objectContaining({
      code: 'BAD_DATA',
      message:
        '"read/kernel" has the shape [1, 1, 4, 2], and the graph takes [1, 1, 3, 2].\nCut all weights of a coupling together: shrink does.',
    }),
  )
})

it('does not trip over configs that say nothing that layers take', () => {
  for (const className of Object.keys(LAYER_RULES))
    for (const odd of [null, 'x', [[]], { a: 1 }, -3]) {
      const config: Json = { name: 'odd', padding: odd, axis: odd, strides: odd, dims: odd, target_shape: odd, activation: odd, pool_size: odd, size: odd } // prettier-ignore
      const layer = (name: string, type: string, settings: Json, from: string) => ({ name, class_name: type, config: settings, inbound_nodes: [[[from, 0, 0, {}]]] }) // prettier-ignore
      const modelTopology = {
        class_name: 'Model',
        config: {
          layers: [
            { name: 'x', class_name: 'InputLayer', config: { batch_input_shape: [null, 8, 8, 3] }, inbound_nodes: [] },
            layer('w', 'Conv2D', { name: 'w' }, 'x'),
            layer('odd', className, config, 'w'),
            layer('read', 'Conv2D', { name: 'read' }, 'odd'),
          ],
          input_layers: [['x', 0, 0]],
          output_layers: [['read', 0, 0]],
        },
      }
      const weights = { 'w/kernel': [1, 1, 3, 4], 'read/kernel': [1, 1, 4, 2], 'odd/kernel': [4, 4], 'odd/depthwise_kernel': [1, 1, 4, 1], 'odd/alpha': [9] } // prettier-ignore
      expect(() => foundIn({ description: { modelTopology }, weights, constants: {} })).not.toThrow()
    }
})

it('has an end where models call models twice', () => {
  let inner: object = { name: 'end', class_name: 'Sequential', config: { name: 'end', layers: [{ class_name: 'ReLU', config: { name: 'r', batch_input_shape: [null, 3] } }] } } // prettier-ignore
  for (let depth = 0; depth < 30; depth++)
    inner = {
      name: `m${depth}`,
      class_name: 'Model',
      config: {
        name: `m${depth}`,
        layers: [
          { name: 'x', class_name: 'InputLayer', config: { batch_input_shape: [null, 3], name: 'x' }, inbound_nodes: [] },
          { ...inner, name: 'in', inbound_nodes: [[['x', 0, 0]], [['in', 1, 0]]] },
        ],
        input_layers: [['x', 0, 0]],
        output_layers: [['in', 2, 0]],
      },
    }
  expect(foundIn({ description: { modelTopology: inner }, weights: { 'a/kernel': [3, 2] }, constants: {} }).couplings).toEqual([])
})

it('has a page that names the layers with rules', async () => {
  const page = await readFile(join(import.meta.dirname, '../../../../../docs/tfjs-model.md'), 'utf8')
  const [, named] = /<!-- layers -->([^]*)<!-- \/layers -->/.exec(page)!
  expect([...named.matchAll(/`(\w+)`/g)].map(([, layer]) => layer)).toEqual(Object.keys(LAYER_RULES))
})
