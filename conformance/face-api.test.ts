import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import * as tf from '@tensorflow/tfjs-core'
import sharp from 'sharp'
import { compress, type Model, type Site } from '@tersor/core'
import { openTfjs, tfjsSink } from '@tersor/formats/tfjs'
import { selectEngine } from '@tersor/kernels'
import { rtn } from '@tersor/quantization'
import { fromFloat32, toFloat32, type Parameter, type ParameterStore } from '@tersor/tensor'
import { DATA, missing } from './data.js'
import { withFolder } from './files.js'
import { faceFolder, loadManifest } from './tfjs-files.js'

tf.enableProdMode() // tfjs tells of every kernel that two copies of it register
const face = createRequire(import.meta.url)('@vladmandic/face-api/dist/face-api.node-wasm.js')

/** Of each model, by its name, the net that takes its weights. */
const NETS = {
  tiny_face_detector: 'tinyFaceDetector',
  ssd_mobilenetv1: 'ssdMobilenetv1',
  face_landmark_68: 'faceLandmark68Net',
  face_landmark_68_tiny: 'faceLandmark68TinyNet',
  face_expression: 'faceExpressionNet',
  age_gender: 'ageGenderNet',
  face_recognition: 'faceRecognitionNet',
} as const
const DETECTORS: readonly string[] = ['tinyFaceDetector', 'ssdMobilenetv1']
const PHOTOGRAPH = 'images/astronaut.png'
/** What the tiny detector is made for. */
const SIDE = 416

before(() => selectEngine({ engine: 'ort' }))

/** A manifest by itself says no network: its tensors of two and four axes are sites, enough for methods without calibration. */
const modelOf = (params: ParameterStore): Model => {
  const sites = params.names().flatMap((name): Site[] => {
    const { shape, dtype } = params.info(name)
    if (dtype !== 'f32' || (shape.length !== 2 && shape.length !== 4)) return []
    if (shape.length === 2) return [{ name, weight: name, kind: 'linear', outAxis: 1, inAxis: 0 }]
    const geometry = { kernel: [shape[0], shape[1]], strides: [1, 1], padding: [0, 0, 0, 0] } as const
    return [{ name, weight: name, kind: 'conv2d', outAxis: 3, inAxis: 2, convolution: geometry }]
  })
  return { params, stages: [{ name: 'weights', parameters: params.names(), sites, run: x => x }] }
}

const halved = (parameter: Parameter): Parameter =>
  parameter.kind === 'dense' && parameter.dtype === 'f32' ? fromFloat32(toFloat32(parameter), 'f16', parameter.shape) : parameter
const as = (parameter: Parameter): Parameter => parameter

type Write = (params: ParameterStore) => Promise<readonly [ParameterStore, (parameter: Parameter) => Parameter]>
const rounded =
  (bits: number): Write =>
  async params => [(await compress(modelOf(params), rtn({ bits, granularity: 'tensor', symmetric: false }))).params, as]

/** Ways to write the weights, and how much of the largest output they may change it by. */
const WAYS: Readonly<Record<string, readonly [write: Write, most: number]>> = {
  'uint8 as it came': [async params => [params, as], 0],
  'rtn, 8 bits': [rounded(8), 0.02],
  'rtn, 6 bits': [rounded(6), Infinity],
  float16: [async params => [params, halved], 0.02],
}

/** All outputs of a net for a photograph, and the first face that a detector finds: score, x, y, width, height. */
const outputsOf = async (net: string, path: string, photograph: tf.Tensor4D) => {
  face.nets[net].loadFromWeightMap(await loadManifest(path, face.tf.io))
  const input = await face.toNetInput(photograph)
  const given = await face.nets[net].forwardInput(input, SIDE)
  const tensors = (given instanceof face.tf.Tensor ? [given] : Object.values(given).flat()) as tf.Tensor[]
  const values = (await Promise.all(tensors.map(tensor => tensor.data()))).flatMap(each => [...each])
  face.tf.dispose(tensors)
  if (!DETECTORS.includes(net)) return { values }
  const [found] = await face.nets[net].locateFaces(photograph)
  if (found === undefined) return { values, face: [] }
  return { values, face: [found.score, found.box.x, found.box.y, found.box.width, found.box.height] as readonly number[] }
}

const furthest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0)

const shards = async (folder: string): Promise<Buffer> => {
  const files = (await readdir(folder)).filter(file => file.endsWith('.bin'))
  return Buffer.concat(await Promise.all(files.map(file => readFile(join(folder, file)))))
}

const line = (values: readonly (string | number)[]): string => `| ${values.join(' | ')} |`

for (const [name, net] of Object.entries(NETS))
  test(`${name} of face-api is compressed and loads in unmodified face-api`, { skip: missing(PHOTOGRAPH) }, () =>
    withFolder(async folder => {
      const source = join(faceFolder(), `${name}_model-weights_manifest.json`)
      const shipped = await readFile(join(faceFolder(), `${name}_model.bin`))
      const { params, manifest, close } = await openTfjs(source)
      const written: [string, Buffer, number, string][] = []
      for (const [what, [write, most]] of Object.entries(WAYS)) {
        const [store, change] = await write(params)
        const sink = tfjsSink(join(folder, what), { manifest, name: 'weights_manifest.json' })
        for (const each of store.names()) await sink.write(each, change(await store.read(each)))
        await (await sink.finish()).close?.()
        written.push([what, await shards(join(folder, what)), most, join(folder, what, 'weights_manifest.json')])
      }
      await close()
      await face.tf.setBackend('wasm') // tfjs's own
      const { data } = await sharp(join(DATA, PHOTOGRAPH)).removeAlpha().resize(SIDE, SIDE).raw().toBuffer({ resolveWithObject: true })
      const photograph = face.tf.tensor4d(Float32Array.from(data), [1, SIDE, SIDE, 3]) as tf.Tensor4D
      const expected = await outputsOf(net, source, photograph)
      const largest = expected.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      console.log(line([name, 'shipped', shipped.length, gzipSync(shipped).length, '', largest.toPrecision(3), expected.face?.map(value => value.toFixed(2)).join(' ') ?? ''])) // prettier-ignore
      for (const [what, bytes, most, path] of written) {
        const got = await outputsOf(net, path, photograph)
        const change = furthest(expected.values, got.values)
        console.log(line([name, what, bytes.length, gzipSync(bytes).length, change.toPrecision(2), '', got.face?.map(value => value.toFixed(2)).join(' ') ?? ''])) // prettier-ignore
        assert.equal(got.values.length, expected.values.length)
        assert.ok(change <= most * largest)
        if (what === 'uint8 as it came') assert.deepEqual(bytes, shipped)
      }
      photograph.dispose()
      await selectEngine({ engine: 'ort' })
    }),
  )
