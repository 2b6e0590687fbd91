import { createRequire } from 'node:module'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'

const require = createRequire(import.meta.url)

interface ModelJson {
  readonly format?: string
  readonly modelTopology: object
  readonly weightsManifest: tf.io.WeightsManifestConfig
}

/** Models of nsfwjs, which ships them as scripts: a MobileNetV2 of layers, one as a graph, and an InceptionV3 of layers. */
export const NSFW = { mobilenet_v2: 224, mobilenet_v2_mid: 224, inception_v3: 299 } as const

/** Writes a model of nsfwjs as the files that it was made from. */
export const placeNsfw = async (name: keyof typeof NSFW, folder: string): Promise<string> => {
  const scripts = join(import.meta.dirname, 'node_modules/nsfwjs/dist/models', name)
  const json = require(join(scripts, 'model.min.js')) as ModelJson
  await mkdir(folder, { recursive: true })
  for (const path of json.weightsManifest.flatMap(({ paths }) => paths)) {
    const text = require(join(scripts, `${path.replace(/\.bin$/, '')}.min.js`)) as string
    await writeFile(join(folder, path), Buffer.from(text, 'base64'))
  }
  await writeFile(join(folder, 'model.json'), JSON.stringify(json))
  return join(folder, 'model.json')
}

/** Where face-api keeps its models. */
export const faceFolder = (): string => join(import.meta.dirname, 'node_modules/@vladmandic/face-api/model')

const weightsOf = async (path: string, groups: tf.io.WeightsManifestConfig) => {
  const files = await Promise.all(groups.flatMap(({ paths }) => paths).map(file => readFile(join(dirname(path), file))))
  return { weightSpecs: groups.flatMap(({ weights }) => weights), weightData: Uint8Array.from(Buffer.concat(files)).buffer }
}

/** Loads a manifest by itself as tfjs does. */
export const loadManifest = async (path: string, io = tf.io): Promise<tf.NamedTensorMap> => {
  const { weightSpecs, weightData } = await weightsOf(path, JSON.parse(await readFile(path, 'utf8')) as tf.io.WeightsManifestConfig)
  return io.decodeWeights(weightData, weightSpecs)
}

/** A model.json and its weights as tfjs asks for them. */
const handlerOf = async (path: string) => {
  const { weightsManifest, ...rest } = JSON.parse(await readFile(path, 'utf8')) as ModelJson
  const artifacts = { ...rest, ...(await weightsOf(path, weightsManifest)) }
  return { isGraph: rest.format === 'graph-model', handler: { load: async () => artifacts } }
}

/** Loads a model.json in unmodified tfjs and gives what it answers. */
export const loadInTfjs = async (path: string): Promise<{ predict(x: tf.Tensor): tf.Tensor; dispose(): void }> => {
  const { isGraph, handler } = await handlerOf(path)
  const model = isGraph
    ? await (await import('@tensorflow/tfjs-converter')).loadGraphModel(handler)
    : await (await import('@tensorflow/tfjs-layers')).loadLayersModel(handler)
  return { predict: x => model.predict(x) as tf.Tensor, dispose: () => void model.dispose() }
}

/** The part of nsfwjs that is used. */
interface Nsfw {
  load(): Promise<void>
  classify(image: tf.Tensor3D, most: number): Promise<readonly { readonly probability: number }[]>
  dispose(): void
}

/** The probabilities that unmodified nsfwjs gives the five classes of an image (size, size, 3) of numbers up to 255, largest first. */
export const classifyInNsfw = async (path: string, image: tf.Tensor3D, size: number): Promise<readonly number[]> => {
  const { NSFWJS } = require('nsfwjs/core') as { NSFWJS: new (handler: object, options: object) => Nsfw }
  const { isGraph, handler } = await handlerOf(path)
  const model = new NSFWJS(handler, { size, ...(isGraph ? { type: 'graph' } : {}) })
  await model.load()
  const found = await model.classify(image, 5)
  model.dispose()
  return found.map(({ probability }) => probability)
}
