import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import { compress, pipeline, type RunOptions } from '@tersor/core'
import { preprocess, topOneAgreement, type InputBatches } from '@tersor/evaluation'
import { openTfjs, tfjsSink } from '@tersor/formats/tfjs'
import { selectEngine } from '@tersor/kernels'
import { openTfjsModel, type TfjsGraphModel } from '@tersor/models'
import { quantizeActivations, rtn } from '@tersor/quantization'
import { fromFloat32, memorySink, toFloat32 } from '@tersor/tensor'
import { DATA, missing } from './data.js'
import { withFolder } from './files.js'
import { faceFolder, loadInTfjs, loadManifest, NSFW, placeNsfw } from './tfjs-files.js'

const require = createRequire(import.meta.url)
const IMAGES = 'images'
const PER_TENSOR = rtn({ bits: 8, granularity: 'tensor', symmetric: false })

before(async () => {
  const { engine } = await selectEngine()
  console.log(`  models run on ${engine}`)
})

const sinkTo = (path: string, model: TfjsGraphModel): NonNullable<RunOptions['sink']> => {
  return (role, provenance) => (role === 'between' ? memorySink() : tfjsSink(path, { ...model.file, provenance }))
}

const furthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0)

/** Random crops of every photograph, each also mirrored, as bytes (size, size, 3); the same for the same numbers. */
const viewsOf = async (size: number, crops: number): Promise<readonly Uint8Array[]> => {
  const views: Uint8Array[] = []
  let state = 7
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
        const bytes = await each.raw().toBuffer({ resolveWithObject: true })
        views.push(
          bytes.info.channels === 3
            ? bytes.data
            : Uint8Array.from({ length: size * size * 3 }, (_, i) => bytes.data[Math.floor(i / 3) * bytes.info.channels]),
        )
      }
    }
  }
  return views
}

const inputsOf = (views: readonly Uint8Array[], size: number, rows: number): InputBatches => ({
  batches: Math.ceil(views.length / rows),
  batch: index => {
    const own = views.slice(index * rows, (index + 1) * rows)
    const pixels = Float32Array.from(own.flatMap(view => Array.from(view)))
    return tf.tidy(() => preprocess(tf.tensor4d(pixels, [own.length, size, size, 3]), { size: [size, size] }))
  },
})

for (const name of Object.keys(NSFW) as (keyof typeof NSFW)[])
  test(`${name} of nsfwjs is compressed and loads in unmodified tfjs`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const size = NSFW[name]
      const source = await placeNsfw(name, join(folder, 'source'))
      const model = await openTfjsModel(source)
      const small = await compress(model, PER_TENSOR, { sink: sinkTo(join(folder, 'small'), model) })
      const x = inputsOf(await viewsOf(size, 1), size, 20).batch(0)
      const answers: ArrayLike<number>[] = []
      for (const path of [source, join(folder, 'small', 'model.json')]) {
        const loaded = await loadInTfjs(path)
        const y = loaded.predict(x)
        answers.push(await y.data())
        y.dispose()
        loaded.dispose()
      }
      x.dispose()
      console.log(`  ${name}: the largest change of a probability is ${furthest(answers[0], answers[1]).toFixed(4)} on ${20} views`)
      assert.ok(furthest(answers[0], answers[1]) < 0.35)
      await small.params.close?.()
      await model.close?.()
    }),
  )

/** Of each model, by its name, a net that takes its weights. */
const FACES = {
  face_expression: 'faceExpressionNet',
  age_gender: 'ageGenderNet',
  face_recognition: 'faceRecognitionNet',
  face_landmark_68: 'faceLandmark68Net',
} as const

test('the models of face-api are written again and load in unmodified face-api', () =>
  withFolder(async folder => {
    const face = require('@vladmandic/face-api/dist/face-api.node-wasm.js')
    await face.tf.setBackend('cpu')
    await face.tf.ready()
    for (const [name, net] of Object.entries(FACES)) {
      const source = join(faceFolder(), `${name}_model-weights_manifest.json`)
      const { params, manifest, close } = await openTfjs(source)
      const same = tfjsSink(join(folder, name), { manifest })
      const half = tfjsSink(join(folder, `${name}-half`), { name: 'weights_manifest.json' })
      for (const each of params.names()) {
        const parameter = await params.read(each)
        await same.write(each, parameter)
        await half.write(each, parameter.kind === 'dense' ? fromFloat32(toFloat32(parameter), 'f16', parameter.shape) : parameter)
      }
      await close()
      await (await same.finish()).close?.()
      await (await half.finish()).close?.()
      const bytes = async (folderOf: string): Promise<number> =>
        (
          await Promise.all(
            (await readdir(folderOf))
              .filter(file => file.endsWith('.bin'))
              .map(async file => (await readFile(join(folderOf, file))).length),
          )
        ).reduce((a, b) => a + b, 0)
      const x = face.tf.randomUniform([1, 112, 112, 3], 0, 255, 'float32', 3)
      const outputs: number[][] = []
      for (const path of [source, join(folder, name, 'weights_manifest.json'), join(folder, `${name}-half`, 'weights_manifest.json')]) {
        face.nets[net].loadFromWeightMap(await loadManifest(path, face.tf.io))
        const given = await face.nets[net].forwardInput(await face.toNetInput(x))
        const tensors: tf.Tensor[] = given instanceof face.tf.Tensor ? [given] : Object.values(given)
        outputs.push((await Promise.all(tensors.map(tensor => tensor.data()))).flatMap(values => [...values]))
      }
      assert.equal(furthest(outputs[0], outputs[1]), 0)
      const largest = outputs[0].reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      const change = furthest(outputs[0], outputs[2])
      console.log(
        `  ${name}: uint8 again ${await bytes(join(folder, name))} bytes, change 0; float16 changes an output by at most ${change.toPrecision(2)} of ${largest.toPrecision(3)}`,
      )
      assert.ok(change < 0.02 * largest)
    }
  }))

const CROPS = 25
const KEPT = 0.98

for (const name of ['mobilenet_v2', 'mobilenet_v2_mid'] as const)
  test(`${name} of nsfwjs in static int8 keeps its answers on 500 views`, { skip: missing(IMAGES) }, () =>
    withFolder(async folder => {
      const size = NSFW[name]
      const model = await openTfjsModel(await placeNsfw(name, join(folder, 'source')))
      const views = await viewsOf(size, CROPS)
      assert.ok(views.length >= 500)
      const learn = inputsOf(
        views.filter((_, index) => index % 16 === 0),
        size,
        8,
      )
      const calibration = Array.from({ length: learn.batches }, (_, index) => learn.batch(index))
      const inputs = inputsOf(views, size, 20)
      const rows = rtn({ bits: 8, granularity: 'row' })
      for (const [what, step] of Object.entries({
        'weights with a scale a row, activations by min-max': pipeline(rows, quantizeActivations()),
        'weights with a scale a row, activations by entropy': pipeline(rows, quantizeActivations({ observer: 'entropy' })),
        'weights with a scale a tensor, as tfjs keeps them': pipeline(PER_TENSOR),
      })) {
        const small = await compress(model, step, { calibration })
        const { agreement, same, count } = await topOneAgreement(small, model, inputs)
        console.log(`  ${name}, ${what}: ${same} of ${count} answers kept (${(100 * agreement).toFixed(1)} %)`)
        if (process.env.REPORT_ONLY === undefined && what.includes('min-max')) assert.ok(agreement >= KEPT)
      }
      tf.dispose(calibration)
      await model.close?.()
    }),
  )
