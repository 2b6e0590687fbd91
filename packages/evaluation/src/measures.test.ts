import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { maskedOf, type Stage } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { imageSet } from './image-set.js'
import { sizeOfModel } from './size-of-model.js'
import { tokensPerSecond } from './tokens-per-second.js'
import { topOne } from './top-one.js'

describe('sizeOfModel', () => {
  it('accounts for every parameter from the headers alone', () => {
    const values = fromFloat32([1, 2, 3, 4, 5, 6, 7, 8], 'bf16', [2, 4])
    const params = memoryStore({ a: maskedOf([1, 0, 1, 0, 1, 0, 1, 0], values), b: fromFloat32([1, 2], 'f32', [2]) })
    const unread = { ...params, read: () => Promise.reject(new Error('It needs no bytes.')) }
    expect(sizeOfModel({ params: unread })).toEqual({
      parameters: 10,
      bytes: 25,
      bitsPerWeight: 20,
      tensors: [
        { name: 'a', shape: [2, 4], codec: 'masked', bytes: 17, bitsPerWeight: 17 },
        { name: 'b', shape: [2], dtype: 'f32', bytes: 8, bitsPerWeight: 32 },
      ],
    })
  })

  it('counts a network', () => {
    const { parameters, bytes } = sizeOfModel(picoLlama({ vocabulary: 20, dtype: 'f16' }))
    expect(parameters).toBe(2 * 20 * 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32 + 2 * 32) + 32)
    expect(bytes).toBe(2 * parameters)
  })
})

describe('tokensPerSecond', () => {
  const times = (...values: number[]) => {
    const left = [...values]
    return () => left.shift()!
  }
  async function* stream(count: number) {
    for (let i = 0; i < count; i++) yield i
  }

  it('leaves out what comes before the first token', async () => {
    expect(await tokensPerSecond(stream(5), times(0, 1500, 3500))).toEqual({ tokens: 5, secondsToFirst: 1.5, tokensPerSecond: 2 })
  })

  it('has no speed for fewer than two tokens', async () => {
    expect(await tokensPerSecond(stream(0), times(0, 1))).toEqual({ tokens: 0, secondsToFirst: 0, tokensPerSecond: 0 })
    expect((await tokensPerSecond(stream(1))).tokensPerSecond).toBe(0)
  })
})

/** Its logits are the first row of pixels of each channel: the class is the brightest channel. */
const brightest: Stage = {
  name: 'brightest',
  parameters: [],
  sites: [],
  run: x => tf.tidy(() => tf.mean(x, [1, 2])),
}
const classifier = { params: memoryStore({}), stages: [brightest], classes: ['red', 'green', 'blue'], imageShape: [1, 1, 3] }

describe('topOne', () => {
  const pixels = Uint8Array.from({ length: 300 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 255 : 0)) // red, green, blue, red …

  it('counts the images whose largest logit stands at their label, by the name of the class', async () => {
    const labels = Uint8Array.from({ length: 100 }, (_, i) => (i < 90 ? [2, 1, 0][i % 3] : 1))
    const images = imageSet(pixels, [1, 1, 3], labels, ['blue', 'green', 'red'])
    const right = 90 + [90, 91, 92, 93, 94, 95, 96, 97, 98, 99].filter(i => i % 3 === 1).length
    const before = tf.memory().numTensors
    expect(await topOne(classifier, images)).toEqual({ top1: right / 100, correct: right, count: 100 })
    expect(tf.memory().numTensors).toBe(before)
  })

  it('takes labels as indices where the model names no classes', async () => {
    const { classes: _, ...unnamed } = classifier
    const images = imageSet(
      pixels,
      [1, 1, 3],
      Uint8Array.from({ length: 100 }, (_value, i) => i % 3),
      ['x', 'y', 'z'],
    )
    expect(await topOne(unnamed, images)).toEqual({ top1: 1, correct: 100, count: 100 })
  })

  it('takes classes that are numbers for indices, runs as many rows as asked, and prepares the images', async () => {
    const { classes: _, ...unnamed } = classifier
    const labels = Uint8Array.from({ length: 100 }, (_value, i) => (i % 3 === 0 ? 1 : 0)) // "0" for red, else "2"
    const images = imageSet(pixels, [1, 1, 3], labels, ['2', '0'])
    expect(await topOne(unnamed, images, { rows: 7 })).toEqual({ top1: 0.67, correct: 67, count: 100 })
    const darkened = { size: [1, 1], deviation: [1, 1, 1000] } as const // no blue is bright any more, and others are as they were
    expect(await topOne(unnamed, images, { preprocessing: darkened })).toEqual({ top1: 0.67, correct: 67, count: 100 })
    const withoutRed = { size: [1, 1], mean: [2, 0, 0] } as const // red never wins: the 33 blue ones stay right
    expect(await topOne(unnamed, images, { preprocessing: withoutRed })).toMatchObject({ correct: 33 })
  })

  it('refuses images without classes', async () => {
    await expect(topOne(classifier, imageSet(pixels, [1, 1, 3], new Uint8Array(100), []))).rejects.toMatchObject({
      code: 'BAD_DATA',
      message:
        'The images have no classes.\nPut the images of each class into a folder of its name, or compare two models: topOneAgreement.',
    })
  })

  it('refuses images of other classes or another size', async () => {
    const images = imageSet(pixels, [1, 1, 3], new Uint8Array(100), ['cyan'])
    await expect(topOne(classifier, images)).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: 'The images have a class "cyan", which the model does not know.\nIts classes are red, green, blue.',
    })
    const wide = imageSet(pixels, [1, 2, 3], new Uint8Array(50), ['red'])
    await expect(topOne(classifier, wide)).rejects.toMatchObject({
      code: 'BAD_DATA',
      message: 'The images are 1 × 2 × 3, but the model takes 1 × 1 × 3.\nScale them to that size first.',
    })
  })
})
