import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { before, test } from 'node:test'
import * as tf from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import { loadModel, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { openTfjs, tfjsSink } from '@tersor/formats/tfjs'
import { selectEngine } from '@tersor/kernels'
import { openTfjsModel, type TfjsGraphModel } from '@tersor/models'
import { DATA, missing } from './data.js'
import { withFolder } from './files.js'
import { faceFolder, loadManifest } from './tfjs-files.js'
import { placeTraced, traceGraph } from './traced-graph.js'

tf.enableProdMode() // tfjs tells of every kernel that two copies of it register
const face = createRequire(import.meta.url)('@vladmandic/face-api/dist/face-api.node-wasm.js')

const PHOTOGRAPH = 'images/astronaut.png'

/** Of each model the net that takes its weights, how wide its images are, and how many couplings it has. */
const NETS = {
  tiny_face_detector: ['tinyFaceDetector', 416, 6],
  ssd_mobilenetv1: ['ssdMobilenetv1', 512, 22],
  face_landmark_68: ['faceLandmark68Net', 112, 4],
  face_landmark_68_tiny: ['faceLandmark68TinyNet', 112, 3],
  face_expression: ['faceExpressionNet', 112, 4],
  age_gender: ['ageGenderNet', 112, 12],
  face_recognition: ['faceRecognitionNet', 150, 14],
} as const

before(async () => void (await selectEngine({ engine: 'ort' })))

const outputsOf = (given: unknown): readonly tf.Tensor[] =>
  (given instanceof face.tf.Tensor ? [given] : Object.values(given as object).flat()) as tf.Tensor[]

const valuesOf = async (tensors: readonly tf.Tensor[]): Promise<readonly number[]> => {
  const values = (await Promise.all(tensors.map(tensor => tensor.data()))).flatMap(each => [...each])
  tf.dispose([...tensors])
  return values
}

/** What unmodified face-api gives for an image, with the weights of a manifest. */
const inFace = async (net: string, path: string, image: tf.Tensor4D, size: number) => {
  face.nets[net].loadFromWeightMap(await loadManifest(path, face.tf.io))
  return valuesOf(outputsOf(face.nets[net].forwardInput(await face.toNetInput(image), size)))
}

const ours = async (model: Model & TfjsGraphModel, image: tf.Tensor4D): Promise<readonly number[]> => {
  const { weights, dispose } = await loadModel(model)
  const made = tf.tidy(() => model.run({ image }, { weights }))
  const values = await valuesOf(Object.keys(made).sort().map(name => made[name])) // prettier-ignore
  dispose()
  return values
}

const apart = (a: readonly number[], b: readonly number[]): number => {
  assert.equal(a.length, b.length)
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
  return a.reduce((most, value, i) => Math.max(most, Number.isFinite(value - b[i]) ? Math.abs(value - b[i]) : Infinity), 0) / largest
}

/** Of each coupling three quarters of the units, in reverse. */
const some = ({ couplings = [] }: Model): Change => ({
  keep: new Map(
    couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(0.75 * units) }, (_, i) => units - 1 - i)] as const),
  ),
})

for (const [name, [net, size, couplings]] of Object.entries(NETS))
  test(`${name} of face-api is cut and runs in unmodified face-api`, { skip: missing(PHOTOGRAPH) }, () =>
    withFolder(async folder => {
      const source = join(faceFolder(), `${name}_model-weights_manifest.json`)
      const { data } = await sharp(join(DATA, PHOTOGRAPH)).removeAlpha().resize(size, size).raw().toBuffer({ resolveWithObject: true })
      const image = tf.tensor4d(Float32Array.from(data), [1, size, size, 3])
      const weights = await loadManifest(source, face.tf.io)
      face.nets[net].loadFromWeightMap(weights)
      const input = await face.toNetInput(image)
      const graph = traceGraph(weights, image, () => outputsOf(face.nets[net].forwardInput(input, size)))
      const model = await openTfjsModel(await placeTraced(join(folder, 'graph'), graph, weights))
      const expected = await inFace(net, source, image, size)
      assert.ok(apart(await ours(model, image), expected) < 1e-5, 'the graph is the network')

      for (const each of model.whole ?? []) console.log(`  ${each.units} units of ${each.weight} stay whole: ${each.reason}`)
      const change = some(model)
      const small = await shrink(model, change)
      const { manifest, close } = await openTfjs(source)
      const sink = tfjsSink(join(folder, 'small'), { manifest, name: 'weights_manifest.json' })
      for (const each of small.params.names().filter(each => manifest.weights.has(each)))
        await sink.write(each, await small.params.read(each))
      await (await sink.finish()).close?.()
      await close()
      const found = await inFace(net, join(folder, 'small/weights_manifest.json'), image, size)
      const masked = await ours(switchedOff(model, change), image)
      const count = ({ params }: Model): number => params.names().reduce((sum, each) => sum + params.info(each).shape.reduce((a, b) => a * b, 1), 0) // prettier-ignore
      console.log(
        `  ${name}: ${model.couplings?.length} couplings, ${count(model)} → ${count(small)} numbers, ${apart(found, masked).toExponential(1)} apart, ${apart(found, expected).toPrecision(2)} from the large network`,
      )
      assert.ok(apart(found, masked) < 1e-5 && apart(found, expected) > 1e-4)
      assert.equal(model.couplings?.length, couplings)
      image.dispose()
      await model.close?.()
    }),
  )
