import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as layers from '@tensorflow/tfjs-layers'
import { forward, loadModel } from '@tersor/core'
import { openModel, type GraphModel } from '@tersor/models'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { writeConvolution, writeMlp } from '../../onnx/src/file/toy-graph.fixture.js'
import { json, runWords } from './command.fixture.js'

const run = (...argv: string[]) => runWords(...argv, '--json', '--quiet')

/** A photograph's stand-in: colours in quarters of an image twice as large as the networks take, and wider. */
const COLOURS = [
  ['#ff0000', '#00ff00', '#0000ff', '#ffffff'],
  ['#202020', '#8040c0', '#10f0a0', '#404000'],
  ['#00ffff', '#ff00ff', '#ffff00', '#000000'],
  ['#606060', '#a0a0a0', '#ff8000', '#0080ff'],
] as const
const FORMATS = ['png', 'jpeg', 'webp', 'png'] as const
const SIZE = 8

let folder = ''
beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'cpu'
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-evaluate-images-'))
  for (const name of ['onnx', 'tfjs']) await mkdir(join(folder, name))
  writeConvolution(join(folder, 'onnx/model.onnx'))
  await placeLayers(join(folder, 'tfjs'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const placeLayers = async (place: string): Promise<void> => {
  const model = layers.sequential({
    layers: [
      layers.layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, inputShape: [SIZE, SIZE, 3], name: 'conv' }),
      layers.layers.flatten(),
      layers.layers.dense({ units: 5, name: 'dense' }),
    ],
  })
  model.setWeights(model.getWeights().map(({ shape, size }, seed) => tf.sin(tf.mul(tf.reshape(tf.range(0, size), shape), 3 + seed))))
  await model.save({
    save: async ({ modelTopology, weightSpecs, weightData }) => {
      await writeFile(join(place, 'weights.bin'), new Uint8Array(weightData as ArrayBuffer))
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
      await writeFile(join(place, 'model.json'), JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest }))
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
    },
  })
  model.dispose()
}

/** One image by its quarters: 20 high, 32 wide; its middle has the proportions of the networks. */
const pictureOf = (colours: readonly string[]) => {
  const part = (colour: string) => ({ create: { width: 16, height: 10, channels: 3 as const, background: colour } })
  const places = colours.map((colour, i) => ({ input: part(colour), left: 16 * (i % 2), top: 10 * Math.floor(i / 2) }))
  return sharp(part('#000000')).resize(32, 20).composite(places)
}

/** Writes the images, each into the folder of a class. */
const placeImages = async (name: string, classes: readonly (number | string)[]): Promise<string> => {
  const place = join(folder, name)
  for (const [i, label] of classes.entries()) {
    await mkdir(join(place, String(label)), { recursive: true })
    const picture = pictureOf(COLOURS[i])
    const path = join(place, String(label), `${i}.${FORMATS[i]}`)
    await (FORMATS[i] === 'webp' ? picture.webp({ lossless: true }) : picture.toFormat(FORMATS[i])).toFile(path)
  }
  return place
}

/** What a graph answers where each pixel is scaled from what sharp makes of the image, (pixel / 255 − mean) / deviation, by loops. */
const answersOf = async (path: string, images: string, nchw: boolean, [mean, deviation]: readonly [number, number] = [0, 1]) => {
  const model = (await openModel(path)) as GraphModel
  const { weights, dispose } = await loadModel(model)
  const answers: number[] = []
  for (const i of COLOURS.keys()) {
    const file = join(images, 'all', `${i}.${FORMATS[i]}`)
    const bytes = await sharp(file).resize(SIZE, SIZE, { fit: 'cover' }).removeAlpha().toColourspace('srgb').raw().toBuffer()
    const values = Float32Array.from({ length: 3 * SIZE * SIZE }, (_, at) => {
      const from = nchw ? 3 * (at % (SIZE * SIZE)) + Math.floor(at / (SIZE * SIZE)) : at
      return (bytes[from] / 255 - mean) / deviation
    })
    const best = tf.tidy(() => {
      const x = tf.tensor4d(values, nchw ? [1, 3, SIZE, SIZE] : [1, SIZE, SIZE, 3])
      return tf.argMax(forward(model, x, { weights }), -1)
    })
    answers.push((await best.data())[0])
    best.dispose()
  }
  dispose()
  await model.close?.()
  return answers
}

describe.each([
  ['onnx/model.onnx', true],
  ['tfjs/model.json', false],
] as const)('evaluate %s on images', (file, nchw) => {
  const tag = file.slice(0, 4)

  it('counts right answers on PNG, JPEG and WebP of another size, by classes that are numbers', async () => {
    const all = await placeImages(`${tag}-flat`, COLOURS.map(() => 'all')) // prettier-ignore
    const answers = await answersOf(join(folder, file), all, nchw)
    expect(await json('evaluate', join(folder, file), '--data', await placeImages(`${tag}-right`, answers))).toEqual({ top1: 1, correct: 4, count: 4 }) // prettier-ignore
    const wrong = answers.map((answer, i) => (i === 2 ? (answer + 1) % 5 : answer))
    expect(await json('evaluate', join(folder, file), '--data', await placeImages(`${tag}-wrong`, wrong))).toEqual({ top1: 0.75, correct: 3, count: 4 }) // prettier-ignore
  })

  it('does to pixels what preprocessing.json beside the model declares', async () => {
    const declared = join(folder, tag, 'preprocessing.json')
    await writeFile(declared, JSON.stringify({ mean: [0.9, 0.9, 0.9], deviation: [0.2, 0.2, 0.2] }))
    const answers = await answersOf(join(folder, file), join(folder, `${tag}-flat`), nchw, [0.9, 0.2])
    expect(answers).not.toEqual(await answersOf(join(folder, file), join(folder, `${tag}-flat`), nchw))
    expect(await json('evaluate', join(folder, file), '--data', await placeImages(`${tag}-declared`, answers))).toMatchObject({
      correct: 4,
    })
    await rm(declared)
  })

  it('compares with a reference on images without labels, after compression with images', async () => {
    const images = join(folder, `${tag}-flat`, 'all')
    const agree = ['--data', images, '--metric', 'agreement', '--reference', join(folder, file)]
    expect(await json('evaluate', join(folder, file), ...agree)).toEqual({ agreement: 1, same: 4, count: 4 })
    const out = join(folder, tag, tag === 'tfjs' ? 'small' : 'small.onnx')
    const steps = ['--step', 'rtn(bits=8, granularity=tensor)', '--step', 'bias-correction', '--calibrate', images]
    const compressed = await run(
      'compress',
      join(folder, file),
      '--out',
      out,
      ...steps.slice(0, 2),
      ...(tag === 'tfjs' ? steps.slice(2) : []),
    )
    expect(compressed).toMatchObject({ code: 0 })
    const small = tag === 'tfjs' ? join(out, 'model.json') : out
    expect(await json('evaluate', small, ...agree)).toMatchObject({ count: 4 })
    expect((await run('evaluate', small, '--data', images)).err).toContain('The images have no classes.')
  })
})

it('refuses graphs that take no images, and metrics of text', async () => {
  writeMlp(join(folder, 'mlp.onnx'))
  const images = join(folder, 'onnx-flat')
  expect((await run('evaluate', join(folder, 'mlp.onnx'), '--data', images)).err).toContain('no images of three channels and one size')
  expect((await run('evaluate', join(folder, 'mlp.onnx'), '--data', images, '--metric', 'kl')).err).toContain(
    'Use --metric top1 or agreement; perplexity and kl measure a decoder in its folder',
  )
})
