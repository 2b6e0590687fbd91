import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import { preprocess, type InputBatches } from '@tersor/evaluation'
import { DATA } from './data.js'

/** The shared photographs. */
export const IMAGES = 'images'

/** An image of three channels from one of any number: gray is said three times. */
const colours = (data: Uint8Array, channels: number): Uint8Array =>
  channels === 3 ? data : Uint8Array.from({ length: (data.length / channels) * 3 }, (_, i) => data[Math.floor(i / 3) * channels])

/** Random crops of every photograph, each also mirrored, as bytes (size, size, 3); the same for the same seed. */
export const viewsOf = async (size: number, crops: number, seed: number): Promise<readonly Uint8Array[]> => {
  const views: Uint8Array[] = []
  let state = seed
  const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647
  for (const file of (await readdir(join(DATA, IMAGES))).sort()) {
    const picture = sharp(join(DATA, IMAGES, file))
      .toColourspace('srgb')
      .removeAlpha()
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
    const raw = { width: info.width, height: info.height, channels: info.channels }
    for (let crop = 0; crop < crops; crop++) {
      const side = Math.floor(Math.min(info.width, info.height) * (0.4 + 0.6 * random()))
      const [left, top] = [Math.floor(random() * (info.width - side + 1)), Math.floor(random() * (info.height - side + 1))]
      const view = () => sharp(data, { raw }).extract({ left, top, width: side, height: side }).resize(size, size).toColourspace('srgb')
      for (const each of [view(), view().flop()]) {
        const made = await each.raw().toBuffer({ resolveWithObject: true })
        views.push(colours(made.data, made.info.channels))
      }
    }
  }
  return views
}

/** Views as a network of nsfwjs takes them, so many at a time. */
export const inputsOf = (views: readonly Uint8Array[], size: number, rows: number): InputBatches => ({
  batches: Math.ceil(views.length / rows),
  batch: index => {
    const own = views.slice(index * rows, (index + 1) * rows)
    const pixels = new Float32Array(own.length * size * size * 3)
    own.forEach((view, i) => pixels.set(view, i * view.length))
    return tf.tidy(() => preprocess(tf.tensor4d(pixels, [own.length, size, size, 3]), { size: [size, size] }))
  },
})
