import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { readDocuments, splitDocuments } from './documents.js'
import { loadSharp, readImageFolder, type Decoder } from './image-folder.js'
import { readImages } from './image-set.js'

let folder = ''
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-evaluation-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const refusal = async (work: Promise<unknown>) => {
  const error = (await work.catch((reason: unknown) => reason)) as { code: string; message: string }
  return [error.code, ...error.message.replaceAll(folder, '').split('\n')]
}

describe('readDocuments', () => {
  it('splits at lines with the separator and nowhere else', () => {
    expect(splitDocuments(' a\nb \n<|endoftext|>\n\n<|endoftext|>\r\nc <|endoftext|> d\n<|endoftext|>')).toEqual([
      'a\nb',
      'c <|endoftext|> d',
    ])
  })

  it('refuses a file without text, and none', async () => {
    const path = join(folder, 'text.txt')
    await writeFile(path, ' \n<|endoftext|>\n')
    expect(await refusal(readDocuments(path))).toEqual([
      'BAD_DATA',
      '/text.txt holds no text.',
      'Pass a file of text; lines <|endoftext|> separate documents.',
    ])
    expect(await refusal(readDocuments(join(folder, 'none.txt')))).toEqual([
      'NOT_FOUND',
      'There is nothing at /none.txt.',
      'Check the path.',
    ])
    const [code, what, remedy] = await refusal(readDocuments(folder))
    expect([code, remedy]).toEqual(['DISK', 'Check that it is a file and may be read.'])
    expect(what).toContain('cannot be read: EISDIR')
  })
})

const write = async (description: object, images: number[], labels: number[]): Promise<string> => {
  await writeFile(join(folder, 'set.json'), JSON.stringify(description))
  await writeFile(join(folder, 'set.images.u8'), Uint8Array.from(images))
  await writeFile(join(folder, 'set.labels.u8'), Uint8Array.from(labels))
  return join(folder, 'set.json')
}

describe('readImages', () => {
  const description = { images: { shape: [2, 1, 2, 3] }, classes: ['cat', 'dog'] }
  const pixels = Array.from({ length: 12 }, (_, i) => i)
  const remedy = 'It names NAME.images.u8 (count, height, width, 3) and NAME.labels.u8 (count).'

  it('reads a description with its pixels and labels', async () => {
    const images = await readImages(await write(description, pixels, [1, 0]))
    expect(images).toMatchObject({ count: 2, shape: [1, 2, 3], classes: ['cat', 'dog'], labels: Uint8Array.of(1, 0) })
    const batch = images.batch(1, 2)
    expect([batch.shape, [...(await batch.data())]]).toEqual([[1, 1, 2, 3], pixels.slice(6)])
    batch.dispose()
    expect(tf.memory().numTensors).toBe(0)
  })

  it('crops and scales them to another size, as it does those of a folder', async () => {
    const wide = { images: { shape: [1, 1, 3, 3] }, classes: ['cat'] }
    const path = await write(wide, [0, 0, 0, 90, 60, 30, 0, 0, 0], [0]) // its middle is a square of one colour
    const images = await readImages(path, { size: [2, 2] })
    expect(images).toMatchObject({ count: 1, shape: [2, 2, 3] })
    const batch = images.batch(0, 1)
    expect([...(await batch.data())]).toEqual(Array(4).fill([90, 60, 30]).flat())
    batch.dispose()
    expect(tf.memory().numTensors).toBe(0)
  })

  it.each([
    [{ classes: ['cat'] }, pixels, [0, 0], 'has no shape of four extents for its images'],
    [{ images: { shape: [2, 1, 2, 3] } }, pixels, [0, 0], 'names no classes'],
    [description, [1, 2], [0, 0], 'promises 12 bytes of images, but there are 2'],
    [description, pixels, [0], 'promises 2 labels, but there are 1'],
    [description, pixels, [0, 2], 'names 2 classes, but a label is 2'],
  ])('refuses %j', async (json, images, labels, what) => {
    expect(await refusal(readImages(await write(json, images, labels)))).toEqual(['BAD_DATA', `/set.json ${what}.`, remedy])
  })

  it('refuses a description that is no JSON, and files that are not there', async () => {
    await writeFile(join(folder, 'set.json'), '{')
    expect(await refusal(readImages(join(folder, 'set.json')))).toEqual(['BAD_DATA', '/set.json is no JSON.', remedy])
    expect(await refusal(readImages(join(folder, 'none.json')))).toEqual([
      'NOT_FOUND',
      'There is nothing at /none.json.',
      'Check the path.',
    ])
  })
})

/** CRC-32 of a chunk, bit by bit. */
const checksum = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** Stands in for sharp: an image is as many gray pixels as its name says. */
const decoder: Decoder = path => {
  const width = Number(/(\d+)\.\w+$/.exec(path)![1])
  const picture = {
    metadata: async () => ({ width, height: 1 }),
    removeAlpha: () => picture,
    toColourspace: () => picture,
    resize: () => picture,
    raw: () => picture,
    toBuffer: async () => ({ data: new Uint8Array(3 * width).fill(width), info: { width, height: 1, channels: 3 } }),
  }
  return picture
}

describe('readImageFolder', () => {
  const put = async (...files: string[]): Promise<void> => {
    for (const file of files) {
      await mkdir(join(folder, file, '..'), { recursive: true })
      await writeFile(join(folder, file), '')
    }
  }

  it('takes the classes from the names of the folders', async () => {
    await put('dog/b2.PNG', 'cat/x2.jpg', 'cat/a2.jpeg', 'cat/notes.txt')
    const { pixels, shape, labels, classes } = await readImageFolder(folder, async () => decoder)
    expect([[...pixels], shape, [...labels], classes]).toEqual([Array.from({ length: 18 }, () => 2), [1, 2, 3], [0, 0, 1], ['cat', 'dog']])
  })

  it('decodes PNG and JPEG, gray and with transparency, to three channels', async () => {
    const colours = { red: [255, 0, 0], green: [0, 255, 0] } as const
    for (const [name, [r, g, b]] of Object.entries(colours)) {
      await mkdir(join(folder, name))
      const picture = sharp({ create: { width: 4, height: 2, channels: 4, background: { r, g, b, alpha: 0.5 } } })
      await picture.png().toFile(join(folder, name, 'a.png'))
    }
    await sharp({ create: { width: 4, height: 2, channels: 3, background: '#808080' } })
      .toColourspace('b-w')
      .jpeg()
      .toFile(join(folder, 'red', 'b.jpg'))
    const images = await readImages(folder)
    expect(images).toMatchObject({ count: 3, shape: [2, 4, 3], classes: ['green', 'red'], labels: Uint16Array.of(0, 1, 1) })
    const batch = images.batch(0, 3)
    const values = await batch.data()
    expect([0, 24, 48].map(at => [...values.slice(at, at + 3)])).toEqual([
      [0, 255, 0],
      [255, 0, 0],
      [128, 128, 128],
    ])
    batch.dispose()
  })

  it('takes images without labels from the folder itself', async () => {
    await put('b2.png', 'a2.webp', 'notes.txt')
    const { pixels, labels, classes } = await readImageFolder(folder, async () => decoder)
    expect([pixels.length, [...labels], classes]).toEqual([12, [0, 0], []])
  })

  it('scales images of any size while they are decoded, cropped around the middle', async () => {
    const bars = { input: { create: { width: 2, height: 4, channels: 3 as const, background: '#0000ff' } }, left: 0, top: 0 }
    const wide = sharp({ create: { width: 8, height: 4, channels: 3, background: '#ff0000' } }).composite([bars, { ...bars, left: 6 }])
    for (const [name, picture] of [
      ['a.png', wide.clone().png()],
      ['b.webp', wide.clone().webp({ lossless: true })],
      ['c.jpg', wide.clone().jpeg({ quality: 100, chromaSubsampling: '4:4:4' })],
    ] as const)
      // prettier-ignore
      await picture.toFile(join(folder, name))
    const images = await readImages(folder, { size: [2, 2] })
    expect([images.count, images.shape]).toEqual([3, [2, 2, 3]])
    const batch = images.batch(0, 3)
    const values = await batch.data()
    values.forEach((value, i) => expect(Math.abs(value - (i % 3 === 0 ? 255 : 0))).toBeLessThan(16)) // the blue ends are cut off
    batch.dispose()
  })

  it('refuses an image of more pixels than are decoded, by its header alone', async () => {
    await mkdir(join(folder, 'cat'))
    const bytes = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#000' } })
      .png()
      .toBuffer()
    bytes.writeUInt32BE(30_000, 16) // width and height stand in the first chunk, whose checksum follows
    bytes.writeUInt32BE(30_000, 20)
    bytes.writeUInt32BE(checksum(bytes.subarray(12, 29)), 29)
    await writeFile(join(folder, 'cat/a.png'), bytes)
    for (const how of [{}, { size: [8, 8] as const }])
      expect(await refusal(readImages(folder, how))).toEqual([
        'BAD_DATA',
        '/cat/a.png is 30000 × 30000, and at most 67108864 pixels are decoded.',
        'Scale it down, or take it out.',
      ])
  })

  it('refuses images that together take more than is held', async () => {
    await put('cat/a1.png', 'cat/b1.png')
    const big = {
      metadata: async () => ({ width: 1, height: 1 }),
      removeAlpha: () => big,
      toColourspace: () => big,
      raw: () => big,
      toBuffer: async () => ({ data: { length: 3 * 2 ** 31 }, info: { width: 2 ** 31, height: 1, channels: 3 } }),
    } as unknown as ReturnType<Decoder>
    expect(await refusal(readImageFolder(folder, async () => () => big))).toEqual([
      'BAD_DATA',
      'The 2 images of  take 12884901888 bytes, and at most 4294967296 are held.',
      'Take fewer or smaller images, or pass size: [height, width].',
    ])
  })

  it('refuses a file that only calls itself an image', async () => {
    await put('cat/a.png')
    expect(await refusal(readImages(folder))).toEqual([
      'BAD_DATA',
      '/cat/a.png cannot be decoded.',
      'Take it out of the folder, or save it again as PNG, JPEG or WebP.',
    ])
  })

  it('refuses images of two sizes', async () => {
    await put('cat/a2.png', 'cat/b3.png')
    expect(await refusal(readImageFolder(folder, async () => decoder))).toEqual([
      'BAD_DATA',
      '/cat/b3.png is 1 × 3, the images before it 1 × 2.',
      'Scale all images to one size, or pass size: [height, width].',
    ])
  })

  it('refuses a folder without images', async () => {
    expect(await refusal(readImages(folder))).toEqual([
      'BAD_DATA',
      ' has no folder with PNG, JPEG or WebP files.',
      'Put the images of each class into a folder of its name.',
    ])
  })

  it('says what to install', async () => {
    const missing = loadSharp(() => Promise.reject(new Error("Cannot find package 'sharp'")))
    expect(await refusal(missing)).toEqual([
      'UNSUPPORTED',
      'Reading PNG, JPEG and WebP files takes sharp, which is not installed.',
      'npm install sharp',
    ])
    expect(await loadSharp(async () => ({ default: decoder }))).toBe(decoder)
  })
})
