import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { IMAGE, readImageFolder, type Pick } from './image-folder.js'
import { preprocess, toSize, type Preprocessing } from './preprocessing.js'
import { fileSystem, readBytes } from './read-bytes.js'

/** Labelled images of one size. */
export interface ImageSet {
  readonly count: number
  /** Height, width and channels. */
  readonly shape: readonly [number, number, number]
  /** Empty where the images have no labels. */
  readonly classes: readonly string[]
  /** The class of each image, an index of `classes`; 0 without labels. */
  readonly labels: Uint8Array | Uint16Array
  /** Images start … end − 1 as (images, height, width, channels), 0 … 255; the caller owns the tensor. */
  batch(start: number, end: number): tf.Tensor
}

/** A set over bytes (count, height, width, channels) and labels. */
export const imageSet = (
  pixels: Uint8Array,
  shape: readonly [number, number, number],
  labels: ImageSet['labels'],
  classes: readonly string[],
): ImageSet => {
  const size = shape[0] * shape[1] * shape[2]
  return Object.freeze({
    count: labels.length,
    shape,
    classes,
    labels,
    batch: (start: number, end: number) =>
      tf.tensor4d(Float32Array.from(pixels.subarray(start * size, end * size)), [end - start, ...shape]),
  })
}

/** Images start … end − 1 as a model takes them; the caller owns the tensor. */
export const preparedBatch = (images: ImageSet, start: number, end: number, preprocessing?: Preprocessing): tf.Tensor =>
  tf.tidy(() => {
    const batch = images.batch(start, end)
    return preprocessing ? preprocess(batch as tf.Tensor4D, preprocessing) : batch
  })

const bad = (path: string, what: string, cause?: unknown): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `${path} ${what}.`,
    'It names NAME.images.u8 (count, height, width, 3) and NAME.labels.u8 (count).',
    { path },
    cause,
  )

const isSize = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value > 0

interface Description {
  readonly shape: readonly [number, number, number, number]
  readonly classes: readonly string[]
}

const parseDescription = (path: string, bytes: Uint8Array): Description => {
  let value: { images?: { shape?: unknown }; classes?: unknown }
  try {
    value = (JSON.parse(new TextDecoder().decode(bytes)) ?? {}) as typeof value
  } catch (cause) {
    throw bad(path, 'is no JSON', cause)
  }
  const shape = value.images?.shape
  if (!Array.isArray(shape) || shape.length !== 4 || !shape.every(isSize)) throw bad(path, 'has no shape of four extents for its images')
  const { classes } = value
  if (!Array.isArray(classes) || classes.length === 0 || !classes.every(name => typeof name === 'string'))
    throw bad(path, 'names no classes')
  const [images, height, width, channels] = shape
  return { shape: [images, height, width, channels], classes }
}

/** Reads NAME.images.u8 and NAME.labels.u8 beside NAME.json. */
const readTriple = async (path: string): Promise<ImageSet> => {
  const { shape, classes } = parseDescription(path, await readBytes(path))
  const stem = path.replace(/\.json$/, '')
  const [pixels, labels] = await Promise.all([readBytes(`${stem}.images.u8`), readBytes(`${stem}.labels.u8`)])
  const [count, height, width, channels] = shape
  const expected = count * height * width * channels
  if (pixels.length !== expected) throw bad(path, `promises ${expected} bytes of images, but there are ${pixels.length}`)
  if (labels.length !== count) throw bad(path, `promises ${count} labels, but there are ${labels.length}`)
  const stranger = labels.find(label => label >= classes.length)
  if (stranger !== undefined) throw bad(path, `names ${classes.length} classes, but a label is ${stranger}`)
  return imageSet(pixels, [height, width, channels], labels, classes)
}

/** A set whose images have another size, each batch as it is asked for. */
const resized = (images: ImageSet, size?: readonly [number, number]): ImageSet => {
  const [height, width, channels] = images.shape
  if (!size || (size[0] === height && size[1] === width)) return images
  const batch = (start: number, end: number): tf.Tensor => tf.tidy(() => toSize(images.batch(start, end) as tf.Tensor4D, size))
  return Object.freeze({ ...images, shape: [...size, channels] as const, batch })
}

/** Some images of a set, in the order given. */
const picked = (images: ImageSet, pick?: Pick): ImageSet => {
  if (!pick) return images
  const indices = pick(images.count)
  const labels = Uint16Array.from(indices, index => images.labels[index])
  const batch = (start: number, end: number): tf.Tensor =>
    tf.tidy(() => tf.concat(indices.slice(start, end).map(index => images.batch(index, index + 1))))
  return Object.freeze({ ...images, count: indices.length, labels, batch })
}

export interface ReadImagesOptions {
  /** (height, width): images of another size are cropped around their middle and scaled. */
  readonly size?: readonly [number, number]
  /** Which images are read, of how many there are; all where absent. */
  readonly pick?: Pick
}

const isFolder = (path: string): Promise<boolean> =>
  fileSystem()
    .stat(path)
    .then(
      stat => stat.isDirectory(),
      () => false,
    )

/**
 * Reads images: a NAME.json with NAME.images.u8 and NAME.labels.u8 beside it, or a folder with a folder of PNG, JPEG or WebP
 * files a class, or with such files and no labels; or such files themselves.
 * Throws NOT_FOUND or DISK for files, BAD_DATA for what does not fit together, UNSUPPORTED where a folder needs `sharp` and it is not installed.
 */
export const readImages = async (from: string | readonly string[], { size, pick }: ReadImagesOptions = {}): Promise<ImageSet> => {
  const path = typeof from !== 'string' && from.length === 1 && !IMAGE.test(from[0]) ? from[0] : from
  if (typeof path === 'string' && !IMAGE.test(path) && !(await isFolder(path))) return resized(picked(await readTriple(path), pick), size)
  const files = typeof path === 'string' && IMAGE.test(path) && !(await isFolder(path)) ? [path] : path
  const { pixels, shape, labels, classes } = await readImageFolder(files, undefined, size, pick)
  return imageSet(pixels, shape, labels, classes)
}
