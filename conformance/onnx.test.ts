import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { compress, pipeline, type Step } from '@tersor/core'
import type { OnnxSinkOptions } from '@tersor/onnx/file'
import type { OnnxModel } from '@tersor/onnx/model'
import { selectEngine } from '@tersor/kernels'
import { openModel } from '@tersor/models'
import { gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { withFolder } from './files.js'
import { inRuntime, OCR, ours, write } from './onnx-files.js'
import { pictures } from './pictures.js'

/** Silero's voice activity detector by torch. */
const SILERO = join(import.meta.dirname, 'node_modules/@ricky0123/vad-web/dist/silero_vad_legacy.onnx')

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

/** What a network answers: the likeliest class of each row of probabilities, or of each pixel whether it is text. */
const answersOf = (values: ArrayLike<number>, classes: number): readonly number[] =>
  Array.from({ length: values.length / classes }, (_, row) => {
    if (classes === 1) return Number(values[row] > 0.3)
    const each = Array.prototype.slice.call(values, row * classes, (row + 1) * classes) as number[]
    return each.indexOf(Math.max(...each))
  })

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
  { file: 'ch_PP-OCRv4_det_infer.onnx', what: 'finds text: convolutions', height: 160, width: 160, sites: 64, classes: 1 },
  { file: 'ch_PP-OCRv4_rec_infer.onnx', what: 'reads text: convolutions and attention', height: 48, width: 160, sites: 47, classes: 6625 },
  {
    file: 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
    what: 'tells which way text stands: convolutions',
    height: 48,
    width: 192,
    sites: 54,
    classes: 2,
  },
] as const

for (const { file, what, height, width, sites, classes } of NETWORKS)
  test(`${file}, which ${what}, is compressed and runs in ONNX Runtime`, () =>
    withFolder(async folder => {
      const path = join(OCR, file)
      const model = (await openModel(path)) as OnnxModel
      assert.equal(model.stages[0].sites.length, sites)
      const all = pictures(12, height, width)
      const [calibration, x] = [tf.slice(all, [0, 0, 0, 0], [8, -1, -1, -1]), tf.slice(all, [8, 0, 0, 0], [4, -1, -1, -1])]
      const expected = await inRuntime(path, x)
      assert.ok(difference(await ours(model, x), expected).largest < 1e-4, 'our run of the graph is the runtime’s')
      const before = (await stat(path)).size
      const means: Record<string, number> = {}
      const keeps: Record<string, number> = {}
      const told = answersOf(expected, classes)
      console.log(`  it answers ${new Set(told).size} different things`)
      assert.ok(new Set(told).size > 1, 'the pictures show something')
      for (const [name, { step, options = {}, rounds = false }] of Object.entries(WAYS)) {
        const small = step ? await compress(model, step(), { calibration: [calibration] }) : model
        const to = join(folder, `${name.replace(/\W+/g, '-')}.onnx`)
        const size = await write(to, model, small, options)
        const got = await inRuntime(to, x)
        const change = difference(got, expected)
        means[name] = change.mean
        const answers = answersOf(got, classes)
        keeps[name] = answers.filter((answer, i) => answer === told[i]).length / told.length
        const percent = ((100 * size) / before).toFixed(0)
        console.log(
          `  ${name}: ${size} of ${before} bytes (${percent} %), outputs change by ${change.largest.toPrecision(2)} at most, ${change.mean.toPrecision(2)} on average, ${(100 * keeps[name]).toFixed(1)} % of answers stay`,
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
    }))

test('a graph with its weights inside of If runs as it did where nothing changed, and its weights there become integers and halves', () =>
  withFolder(async folder => {
    const model = (await openModel(SILERO)) as OnnxModel
    const { sites } = model.stages[0]
    console.log(`  ${sites.length} sites`)
    assert.equal(sites.length, 52)
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
    const before = (await stat(SILERO)).size
    const expected = await run(SILERO)
    const change = async (name: string, small: OnnxModel, options: Omit<OnnxSinkOptions, 'source'>) => {
      const path = join(folder, `${name}.onnx`)
      const size = await write(path, model, small, options)
      const { largest } = difference(await run(path), expected)
      console.log(
        `  ${name}: ${size} of ${before} bytes (${((100 * size) / before).toFixed(0)} %), outputs change by ${largest.toPrecision(2)} at most`,
      )
      return { largest, part: size / before }
    }
    // weights of inner graphs stand in the outer one afterwards, where the runtime adds up in another order
    assert.ok((await change('same', model, {})).largest < 1e-6)
    const half = await change('float16', model, { float: 'f16' })
    assert.ok(half.largest > 0 && half.largest < 0.01)
    const rounded = await compress(model, rtn({ bits: 8, granularity: 'row', only: '*' }))
    const integers = await change('integers', rounded, {})
    assert.ok(integers.largest > 0 && integers.largest < 0.05 && integers.part < 0.5)
    await model.close?.()
  }))
