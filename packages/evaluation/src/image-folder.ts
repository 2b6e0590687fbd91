import { CompressionError } from '@tersor/tensor'
import { fileSystem } from './read-bytes.js'

const IMAGE = /\.(png|jpe?g|webp)$/i

/** The part of sharp that is used. */
interface Picture {
  removeAlpha(): Picture
  toColourspace(space: 'srgb'): Picture
  resize(width: number, height: number, options: { fit: 'cover' }): Picture
  raw(): Picture
  toBuffer(options: { resolveWithObject: true }): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }>
}
export type Decoder = (path: string) => Picture

/** Loads sharp when an image has to be decoded and not before: most uses need none. */
export const loadSharp = async (load: () => Promise<unknown> = () => import('sharp' as string)): Promise<Decoder> => {
  try {
    const loaded = (await load()) as { default?: Decoder }
    return loaded.default ?? (loaded as unknown as Decoder)
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

const pixelsOf = (decode: Decoder, path: string, size?: readonly [number, number]) =>
  (size ? decode(path).resize(size[1], size[0], { fit: 'cover' }) : decode(path))
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      const remedy = 'Take it out of the folder, or save it again as PNG, JPEG or WebP.'
      throw new CompressionError('BAD_DATA', `${path} cannot be decoded.`, remedy, { path }, cause)
    })

/** Decodes a folder with a folder of images a class, or with images alone; all images must have one size, or are cropped and scaled to `size`, (height, width). Throws BAD_DATA and UNSUPPORTED. */
export const readImageFolder = async (folder: string, load: () => Promise<Decoder> = loadSharp, size?: readonly [number, number]) => {
  const { classes, files } = await list(folder)
  const decode = await load()
  const images: Uint8Array[] = []
  let shape: readonly [number, number, number] | undefined
  for (const { path } of files) {
    const { data, info } = await pixelsOf(decode, path, size)
    shape ??= [info.height, info.width, info.channels]
    if (shape[0] !== info.height || shape[1] !== info.width || shape[2] !== info.channels) {
      throw badFolder(
        `${path} is ${info.height} × ${info.width}, the images before it ${shape[0]} × ${shape[1]}.`,
        'Scale all images to one size, or pass size: [height, width].',
        {
          path,
        },
      )
    }
    images.push(data)
  }
  const bytes = images[0].length
  const pixels = new Uint8Array(images.length * bytes)
  images.forEach((image, i) => pixels.set(image, i * bytes))
  return { pixels, shape: shape!, labels: Uint16Array.from(files, ({ label }) => label), classes }
}
