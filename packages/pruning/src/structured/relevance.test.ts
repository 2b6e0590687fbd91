import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { activationsOf, createRng, walkBack, type AfterProduct, type Model, type Site } from '@tersor/core'
import { registerGradients } from '@tersor/kernels'
import { freshModel, openModel } from '@tersor/models'
import { fromFloat32, overlay, sizeOf } from '@tersor/tensor'
import { relevanceProduct } from './relevance.js'

beforeAll(async () => {
  await tf.setBackend('ort')
  registerGradients()
})

const site: Site = { name: 'layer', weight: 'layer.weight', kind: 'linear', outAxis: 0, inAxis: 1 }
const WEIGHT = [[1, -1], [0.5, 1]] // prettier-ignore

/** What each input is told, where `dy` comes back for the product; products with what stands behind them are the network's outputs. */
const told = (x: number[], dy: number[], { scale, shift }: { scale?: number[]; shift?: number[] } = {}, weight = WEIGHT) =>
  tf.tidy(() => {
    const shown: number[][] = []
    const after: AfterProduct = { ...(scale && { scale: tf.tensor1d(scale) }), ...(shift && { shift: tf.tensor1d(shift) }) }
    const product = relevanceProduct((at, relevance) => {
      expect(at).toBe(site)
      shown.push([...relevance.dataSync()])
    })
    const times = (input: tf.Tensor, w: tf.Tensor): tf.Tensor => tf.matMul(input, w, false, true)
    const run = (input: tf.Tensor): tf.Tensor => product({ site, input, weight: () => tf.tensor2d(weight), times, after: () => after })!
    const input = tf.tensor2d([x])
    const made = run(input)
    const plain = tf.matMul(input, tf.tensor2d(weight), false, true)
    expect([...made.dataSync()]).toEqual([...plain.dataSync()])
    const gradient = tf.grad(run)(input, tf.tensor2d([dy]))
    expect([...tf.mul(input, gradient).dataSync()]).toEqual(shown[0])
    return shown[0]
  })
const close = (values: number[]): unknown[] => values.map(value => expect.closeTo(value, 5))

it('shares relevance among what adds to an output', () => {
  // products (−1, 2.5), so that relevance (1, 2) is what −1 and 0.8 make of them; positive parts 1 · 1 and .5 · 1 + 1 · 2
  expect(told([1, 2], [-1, 0.8])).toEqual(close([1.4, 1.6]))
})

it('takes a bias for a part of the output, which gives all of its relevance to the inputs', () => {
  // outputs (−1 + 2, 2.5)
  expect(told([1, 2], [1, 0.8], { shift: [2, 0] })).toEqual(close([1.4, 1.6]))
})

it('takes a norm for a part of the weight: a negative scale changes which inputs add', () => {
  // outputs (1, 2.5) by weights (−1, 1) and (.5, 1); what comes back for the product is −1 times that for the output
  expect(told([1, 2], [-1, 0.8], { scale: [-1, 1] })).toEqual(close([0.4, 2.6]))
  // a channel of scale 0 is its shift alone
  expect(told([1, 2], [0, 0.8], { scale: [0, 1], shift: [3, 0] })).toEqual(close([0.4, 1.6]))
})

it('counts a negative input under a negative weight', () => {
  // row (1, −1) of (1, −2): 1 and 2 of 3
  expect(told([1, -2], [1, 0], {}, [[1, -1], [0, 0]])).toEqual(close([1, 2])) // prettier-ignore
})

it('gives nothing where nothing adds', () => {
  expect(told([1, 2], [1, 1], {}, [[-1, -1], [0, -3]])).toEqual(close([0, 0])) // prettier-ignore
})

/** What flows behind the answers and behind each stage but the first, as shares of the logits; images: (1, height, width, 3). */
const flowOf = async (model: Model, images: tf.Tensor, label: number): Promise<number[]> => {
  const sums: number[] = []
  const begin = (_: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    const right = tf.oneHot(tf.tensor1d([label], 'int32'), output.shape[1]!, 1, 0, 'float32')
    sums.push(tf.sum(tf.mul(output, right)).dataSync()[0])
    return right
  }
  const context = {
    ...{ calibration: [images], signal: new AbortController().signal },
    activations: (batches: readonly tf.Tensor[]) => activationsOf(batches, Infinity),
  }
  await walkBack(model, 'test', context, { begin, until: 1 }, async ({ pull, inputs, gradients }) => {
    await pull(
      [],
      undefined,
      relevanceProduct(() => undefined),
    )
    sums.push(await inputs.use(0, x => gradients.use(0, g => tf.tidy(() => tf.sum(tf.mul(x, g)).dataSync()[0]))))
  })
  images.dispose()
  return sums.map(sum => sum / sums[0])
}

it('is conserved from the logit to the first block of a ResNet, norms, strides and ways around included', async () => {
  const stages = [
    { name: 'layer1', blocks: 1, in: 4, planes: 4, stride: 1 },
    { name: 'layer2', blocks: 2, in: 4, planes: 8, stride: 2 },
  ]
  const input = { shape: [3, 8, 8], normalization: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] } }
  const model = freshModel({ name: 'resnet8', input, classes: ['a', 'b', 'c'], bn_eps: 1e-5, stages }, { seed: 4 })
  const flow = await flowOf(
    model,
    tf.tidy(() => tf.mul(tf.reshape(tf.range(0, 8 * 8 * 3), [1, 8, 8, 3]), 1.2)),
    2,
  )
  expect(flow).toHaveLength(5) // the logit, and behind the head and three blocks
  for (const share of flow) expect(Math.abs(share - 1)).toBeLessThan(1e-5)
})

const zerosLike = (shape: readonly number[]) => fromFloat32(new Float32Array(sizeOf(shape)), 'f32', shape)

const RESNET = join(process.env['TERSOR_DATA'] ?? join(process.cwd(), '../shared/data'), 'cifar10-resnet/resnet20.safetensors')
const onResNet = existsSync(RESNET) ? it : it.skip
onResNet('is conserved through ResNet-20 behind the stem with biases off', async () => {
  const model = (await openModel(RESNET)) as Model & { close(): Promise<void> }
  const isOff = (name: string): boolean => /running_mean$|bias$/.test(name)
  const off = model.params.names().filter(isOff).map(name => [name, zerosLike(model.params.info(name).shape)] as const) // prettier-ignore
  const rng = createRng(3)
  const pixels = Float32Array.from({ length: 16 * 16 * 3 }, (_, i) => 128 + 90 * Math.sin(i / 40) + 20 * rng.normal())
  const flow = await flowOf({ ...model, params: overlay(model.params, new Map(off)) }, tf.tensor4d(pixels, [1, 16, 16, 3]), 3)
  expect(flow).toHaveLength(11)
  for (const share of flow) expect(Math.abs(share - 1)).toBeLessThan(1e-5)
  await model.close()
})
