import { CompressionError } from '@tersor/tensor'
import { fileSystem } from './read-bytes.js'

export const IMAGE = /\.(png|jpe?g|webp)$/i

/** The part of sharp that is used. */
interface Picture {
  /** What the file's first bytes say, before any pixel is decoded. */
  metadata(): Promise<{ width?: number; height?: number }>
  removeAlpha(): Picture
  toColourspace(space: 'srgb'): Picture
  resize(width: number, height: number, options: { fit: 'cover' }): Picture
  raw(): Picture
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }>
}
export type Decoder = (path: string, options: { limitInputPixels: number }) => Picture

/** Loads sharp when an image has to be decoded and not before: most uses need none. */
export const loadSharp = async (load: () => Promise<unknown> = () => import('sharp' as string)): Promise<Decoder> => {
  try {
    const loaded = (await load()) as { default?: Decoder }
    return loaded.default ?? (loaded as Decoder)
  } catch (cause) {
    throw new CompressionError(
      'UNSUPPORTED',
      'Reading PNG, JPEG and WebP files takes sharp, which is not installed.',
      'npm install sharp',
      {},
      cause,
    )
  }
}

interface Listed {
  readonly path: string
  readonly label: number
}

const badFolder = (what: string, remedy: string, fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('BAD_DATA', what, remedy, fields)

/** The images of each class, classes and files in the order of their names; no classes where the images stand in the folder itself. */
const list = async (folder: string): Promise<{ readonly classes: readonly string[]; readonly files: readonly Listed[] }> => {
  const fs = fileSystem()
  const entries = await fs.readdir(folder, { withFileTypes: true })
  const classes = entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort()
  const files = await Promise.all(
    classes.map(async (name, label) => {
      const found = await fs.readdir(`${folder}/${name}`)
      return found
        .filter(file => IMAGE.test(file))
        .sort()
        .map(file => ({ path: `${folder}/${name}/${file}`, label }))
    }),
  )
  if (files.flat().length > 0) return { classes, files: files.flat() }
  const loose = entries.map(({ name }) => name).filter(name => IMAGE.test(name)).sort() // prettier-ignore
  if (loose.length > 0) return { classes: [], files: loose.map(name => ({ path: `${folder}/${name}`, label: 0 })) }
  throw badFolder(`${folder} has no folder with PNG, JPEG or WebP files.`, 'Put the images of each class into a folder of its name.', {
    folder,
  })
}

/** Of one image, above what cameras take: a file of some bytes can claim more than memory holds. */
const MOST_PIXELS = 1 << 26
/** Of all images together, decoded. */
const MOST_BYTES = 4 * 2 ** 30

const pixelsOf = async (decode: Decoder, path: string, size?: readonly [number, number]) => {
  const failed = (cause: unknown): never => {
    const remedy = 'Take it out of the folder, or save it again as PNG, JPEG or WebP.'
    throw new CompressionError('BAD_DATA', `${path} cannot be decoded.`, remedy, { path }, cause)
  }
  const open = (): Picture => decode(path, { limitInputPixels: MOST_PIXELS })
  // The header alone is read without the limit, so that the message can say what it claims.
  const { width = 0, height = 0 } = await decode(path, { limitInputPixels: Number.MAX_SAFE_INTEGER }).metadata().catch(failed)
  if (width * height > MOST_PIXELS)
    throw badFolder(`${path} is ${height} × ${width}, and at most ${MOST_PIXELS} pixels are decoded.`, 'Scale it down, or take it out.', {
      path,
    })
  return (size ? open().resize(size[1], size[0], { fit: 'cover' }) : open())
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(failed)
}

/** Which images are read, of how many there are; all where absent. */
export type Pick = (count: number) => readonly number[]

/**
 * Decodes a folder with a folder of images a class, or with images alone, or a list of images; all must have one size, or are cropped and
 * scaled to `size`, (height, width). Throws BAD_DATA and UNSUPPORTED.
 */
export const readImageFolder = async (
  from: string | readonly string[],
  load: () => Promise<Decoder> = loadSharp,
  size?: readonly [number, number],
  pick?: Pick,
) => {
  const folder = typeof from === 'string' ? from : `the list of ${from.length}`
  const { classes, files: listed } =
    typeof from === 'string' ? await list(from) : { classes: [], files: from.map(path => ({ path, label: 0 })) }
  const files = pick ? pick(listed.length).map(index => listed[index]) : listed
  const decode = await load()
  let pixels = new Uint8Array()
  let shape: readonly [number, number, number] | undefined
  for (const [index, { path }] of files.entries()) {
    const { data, info } = await pixelsOf(decode, path, size)
    if (shape === undefined) {
      shape = [info.height, info.width, info.channels]
      if (files.length * data.length > MOST_BYTES)
        throw badFolder(
          `The ${files.length} images of ${folder} take ${files.length * data.length} bytes, and at most ${MOST_BYTES} are held.`,
          'Take fewer or smaller images, or pass size: [height, width].',
          { folder },
        )
      pixels = new Uint8Array(files.length * data.length)
    }
    if (shape[0] !== info.height || shape[1] !== info.width || shape[2] !== info.channels) {
      throw badFolder(
        `${path} is ${info.height} × ${info.width}, the images before it ${shape[0]} × ${shape[1]}.`,
        'Scale all images to one size, or pass size: [height, width].',
        { path },
      )
    }
    pixels.set(data, index * data.length)
  }
  return { pixels, shape: shape!, labels: Uint16Array.from(files, ({ label }) => label), classes }
}
