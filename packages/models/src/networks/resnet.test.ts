import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { forward, loadModel } from '@tersor/core'
import { rowsOf } from '@tersor/core/internal/model/unfold'
import { parseResNetConfig } from './resnet-config.js'
import { resNetModel } from './resnet.js'
import { DATA, describeData, readJson, readTensors } from '../shared-data.fixture.js'
import { differ, pixels, tiny, tinyStore } from './tiny-resnet.fixture.js'

describe('ResNets for small images', () => {
  it('shows each convolution the images whose patches give its output', async () => {
    const model = resNetModel(tiny, tinyStore())
    const before = tf.memory().numTensors
    const { weights, dispose } = await loadModel(model)
    const x = pixels(2)
    const shapes: Record<string, number[]> = {}
    const products: Record<string, tf.Tensor> = {}
    const tap = (site: (typeof model.stages)[0]['sites'][0], input: tf.Tensor): void => {
      shapes[site.name] = input.shape
      if (site.name !== 'layer2.0.conv1') return
      const w = tf.reshape(weights(site.weight), [8, -1])
      products.patches = tf.keep(tf.reshape(tf.matMul(rowsOf(site, input), w, false, true), [2, 4, 4, 8]))
      const filter = tf.transpose(weights(site.weight), [2, 3, 1, 0]) as tf.Tensor4D
      const padded = tf.pad(input as tf.Tensor4D, [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ])
      products.direct = tf.keep(tf.conv2d(padded, filter, 2, 'valid'))
    }
    const logits = forward(model, x, { weights, tap })
    expect(logits.shape).toEqual([2, 3])
    expect(shapes).toEqual({
      conv1: [2, 8, 8, 3],
      'layer1.0.conv1': [2, 8, 8, 4],
      'layer1.0.conv2': [2, 8, 8, 4],
      'layer2.0.conv1': [2, 8, 8, 4],
      'layer2.0.conv2': [2, 4, 4, 8],
      'layer2.1.conv1': [2, 4, 4, 8],
      'layer2.1.conv2': [2, 4, 4, 8],
      linear: [2, 8],
    })
    expect(await differ(products.patches, products.direct)).toBeLessThan(1e-5)
    tf.dispose([x, logits, products.patches, products.direct])
    dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it.each([
    [
      { name: 'vgg16' },
      'UNSUPPORTED',
      'The network "vgg16" is not one this package runs from a description.\nKnown are resnet20, resnet32, resnet44, resnet56 and their like for small images.',
    ],
    [
      { stages: [] },
      'BAD_FILE',
      `The config's "stages" is []; expected a list of groups of blocks.\nTake the config that was saved with these weights.`,
    ],
    [
      { classes: [1] },
      'BAD_FILE',
      `The config's "classes" is [1]; expected the names of the classes.\nTake the config that was saved with these weights.`,
    ],
    [
      { stages: [tiny.stages[0], { ...tiny.stages[1], in: 6 }] },
      'BAD_FILE',
      `The config's "in" is 6; expected the 4 channels of "layer1".\nTake the config that was saved with these weights.`,
    ],
    [
      { stages: [{ ...tiny.stages[0], planes: 7 }] },
      'BAD_FILE',
      `The config's "planes" is 7; expected 4 and an even number more, to pad both sides.\nTake the config that was saved with these weights.`,
    ],
    [
      { input: { ...tiny.input, shape: [1, 8, 8] } },
      'BAD_FILE',
      `The config's "shape" is [1,8,8]; expected 3 channels.\nTake the config that was saved with these weights.`,
    ],
  ])('refuses %j', (change, code, message) => {
    expect(() => parseResNetConfig({ ...tiny, ...change })).toThrow(expect.objectContaining({ code, message }))
  })
})

/** All 2,000 images are counted by benchmarks/claims/resnet.ts. */
const isSlow = process.env.TERSOR_SLOW === '1'
const FIRST = isSlow ? 8 : 4

/** How many of them each has right; in the slow run twice as many, some of which they have not. */
const RIGHT: readonly (readonly [name: string, right: number])[] = isSlow ? [['resnet20', 7], ['resnet56', 6]] : [['resnet20', 4]] // prettier-ignore

describeData('cifar10-resnet', 'the trained ResNets', () => {
  const images = () => readFileSync(join(DATA, 'cifar10/cifar10-test-2000.images.u8'))
  const labels = () => readFileSync(join(DATA, 'cifar10/cifar10-test-2000.labels.u8'))

  it.each(RIGHT)('%s gives the recorded logits and %i right classes', async (name, right) => {
    const config = readJson(`cifar10-resnet/${name}.json`)
    const model = resNetModel(config, readTensors(`cifar10-resnet/${name}.safetensors`))
    const { weights, dispose } = await loadModel(model)
    const x = tf.tensor4d(Float32Array.from(images().subarray(0, FIRST * 3072)), [FIRST, 32, 32, 3])
    const logits = forward(model, x, { weights })
    const values = await logits.data()
    const expected = config.reference['logits_of_first_two_images_of_cifar10-test-2000'] as number[][]
    expected.flat().forEach((value, i) => expect(Math.abs(values[i] - value)).toBeLessThan(1e-3))
    const truth = labels()
    const correct = Array.from({ length: FIRST }, (_, i) => {
      const row = values.slice(10 * i, 10 * i + 10)
      return row.indexOf(Math.max(...row)) === truth[i]
    }).filter(Boolean).length
    expect(correct).toBe(right)
    tf.dispose([x, logits])
    dispose()
  })
})
