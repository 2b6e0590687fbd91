import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng, type Rng } from '../../run/rng.js'
import { crop, cutout, flip, mixup, type Image } from './augmentations.js'
import { imageBatches, type ImageBatch, type LabelledImages } from './image-batches.js'

beforeAll(() => tf.setBackend('cpu'))

/** Random numbers that somebody has drawn before. */
const drawn = (...numbers: number[]): Rng => {
  const next = () => numbers.shift()!
  return { seed: 0, fork: () => drawn(), uniform: next, normal: next, integer: next }
}

/** 1 2 3 over 4 5 6, with ten times as much in a second channel. */
const image: Image = { pixels: Float32Array.of(1, 10, 2, 20, 3, 30, 4, 40, 5, 50, 6, 60), shape: [2, 3, 2] }
const firstChannel = ({ pixels }: Image): number[] => [...pixels].filter((_, i) => i % 2 === 0)

describe('augmentations', () => {
  it.each([
    [
      [1, 1],
      [1, 2, 3, 4, 5, 6],
    ], // not at all
    [
      [2, 1],
      [4, 5, 6, 0, 0, 0],
    ], // a row down
    [
      [1, 0],
      [0, 1, 2, 0, 4, 5],
    ],
    [
      [0, 2],
      [0, 0, 0, 2, 3, 0],
    ],
  ])('crop: %j', (numbers, expected) => {
    const cropped = crop(1)(image, drawn(...numbers))
    expect(firstChannel(cropped)).toEqual(expected)
    expect([...cropped.pixels].filter((_, i) => i % 2 === 1)).toEqual(expected.map(value => 10 * value))
    expect(cropped.shape).toEqual([2, 3, 2])
  })

  it('flip mirrors every second one', () => {
    expect(firstChannel(flip(image, drawn(0.49)))).toEqual([1, 2, 3, 4, 5, 6])
    expect(firstChannel(flip(image, drawn(0.5)))).toEqual([3, 2, 1, 6, 5, 4])
    expect(firstChannel(image)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('cutout covers a square, as far as it lies within', () => {
    expect(firstChannel(cutout(1)(image, drawn(1, 2)))).toEqual([1, 2, 3, 4, 5, 0])
    expect(firstChannel(cutout(2, [7, 8])(image, drawn(0, 1)))).toEqual([7, 7, 3, 4, 5, 6])
    expect([...cutout(2, [7, 8])(image, drawn(1, 0)).pixels.slice(0, 4)]).toEqual([7, 8, 2, 20])
  })

  it('mixup shares by a beta law: of mean a half, and of variance 1 / (4 (2 alpha + 1))', () => {
    const rng = createRng(1)
    for (const alpha of [0.2, 1, 3]) {
      const shares = Array.from({ length: 4000 }, () => mixup(alpha)(1, rng).share)
      const mean = shares.reduce((a, b) => a + b) / 4000
      expect(mean).toBeCloseTo(0.5, 1.5)
      const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / 4000
      expect(variance).toBeCloseTo(1 / (4 * (2 * alpha + 1)), 2)
    }
    expect([...mixup(1)(5, rng).others].sort()).toEqual([0, 1, 2, 3, 4])
  })

  it.each([
    [() => crop(0), 'crop got padding = 0.\nPass a positive integer.'],
    [() => cutout(-1), 'cutout got size = -1.\nPass a positive integer.'],
    [() => mixup(0), 'mixup got alpha = 0.\nPass a positive number'],
  ] as const)('say what does not fit: %#', (make, message) => expect(make).toThrow(message))
})

describe('batches of images', () => {
  const pixels = Float32Array.from({ length: 5 * 12 }, (_, i) => i)
  const images: LabelledImages = {
    ...{ count: 5, shape: [2, 3, 2], classes: ['a', 'b', 'c'], labels: [0, 1, 2, 1, 0] },
    batch: (start, end) => tf.tensor4d(pixels.slice(12 * start, 12 * end), [end - start, 2, 3, 2]),
  }
  const read = async (batch: ImageBatch): Promise<number[][]> => {
    const values = [batch.input, batch.target, batch.sample].map(tensor => [...tensor.dataSync()])
    tf.dispose({ ...batch })
    return values
  }

  it('see each image once in a pass, with its label', async () => {
    const data = imageBatches({ images, batch: 2 })
    const before = tf.memory().numTensors
    const seen: number[] = []
    for (let step = 0; step < 5; step++) {
      const [input, target, sample] = await read(await data(step, createRng(0)))
      expect(input).toEqual(sample.flatMap(index => [...pixels.slice(12 * index, 12 * index + 12)]))
      expect(target).toEqual(sample.map(index => images.labels[index]))
      seen.push(...sample)
    }
    for (const pass of [seen.slice(0, 5), seen.slice(5)]) expect([...pass].sort()).toEqual([0, 1, 2, 3, 4])
    expect(tf.memory().numTensors).toBe(before)
  })

  it('are changed in the order given, alike for alike random numbers', async () => {
    const data = imageBatches({ images, batch: 3, augment: [crop(1), flip] })
    const first = await read(await data(2, createRng(8)))
    expect(await read(await data(2, createRng(8)))).toEqual(first)
    expect((await read(await data(2, createRng(9))))[0]).not.toEqual(first[0])
    const [sample, rng] = [first[2], createRng(8)]
    const expected = sample.map(index => flip(crop(1)({ pixels: pixels.slice(12 * index, 12 * index + 12), shape: [2, 3, 2] }, rng), rng))
    expect(first[0]).toEqual(expected.flatMap(each => [...each.pixels]))
  })

  it('are mixed with their labels', async () => {
    const data = imageBatches({ images, batch: 2, mix: () => ({ share: 0.75, others: Int32Array.of(1, 0) }) })
    const [input, target, [one, other]] = await read(await data(0, createRng(0)))
    expect(input.slice(0, 12)).toEqual([...pixels.slice(0, 12)].map((_, i) => 0.75 * (12 * one + i) + 0.25 * (12 * other + i)))
    const share = (label: number): number => 0.75 * Number(images.labels[one] === label) + 0.25 * Number(images.labels[other] === label)
    expect(target.slice(0, 3)).toEqual([0, 1, 2].map(share))
  })

  it.each([
    [() => imageBatches({ images, batch: 0 }), 'imageBatches got batch = 0.'],
    [
      () => imageBatches({ images: { ...images, count: 0, labels: [] }, batch: 1 }),
      'imageBatches got 0 images with 0 labels.\nPass images',
    ],
    [() => imageBatches({ images: { ...images, labels: [1] }, batch: 1 }), 'imageBatches got 5 images with 1 labels.'],
  ] as const)('say what does not fit: %#', (make, message) => expect(make).toThrow(message))
})
