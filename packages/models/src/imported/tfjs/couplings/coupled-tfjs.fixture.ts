import * as tf from '@tensorflow/tfjs-core'
import * as converter from '@tensorflow/tfjs-converter'
import * as layers from '@tensorflow/tfjs-layers'
import { createRng, forward, loadModel, type Model } from '@tersor/core'
import { parseManifest, type Manifest } from '@tersor/formats/internal/tfjs/manifest'
import { sizeOf } from '@tersor/tensor'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { RawNode } from './graph/attributes.js'
import type { Json } from './layers/config.js'

/** A network of tfjs before it is written: what model.json says, its weights by shape, its constants by numbers. */
export interface SmallTfjs {
  readonly description: Json
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly constants: Readonly<Record<string, { readonly shape: readonly number[]; readonly numbers: readonly number[] }>>
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Attributes of a node: words, lists of numbers, numbers and flags. */
export type Attributes = Readonly<Record<string, string | readonly number[] | readonly string[] | number | boolean>>

const attributeOf = (value: Attributes[string]): object => {
  if (typeof value === 'string') return { s: base64(value) }
  if (typeof value === 'number') return { i: String(value) }
  if (typeof value === 'boolean') return { b: value }
  return typeof value[0] === 'string' ? { list: { s: value.map(each => base64(String(each))) } } : { list: { i: value.map(String) } }
}

/** Writes a node and gives its name; `ints` writes a constant. */
export interface Nodes {
  node(op: string, inputs: readonly string[], attributes?: Attributes): string
  ints(numbers: readonly number[], shape?: readonly number[]): string
}

export interface SmallGraph {
  readonly weights: Readonly<Record<string, readonly number[]>>
  readonly inputs?: Readonly<Record<string, readonly number[]>>
  readonly build: (of: Nodes) => string
}

const STILL = { strides: [1, 1, 1, 1], dilations: [1, 1, 1, 1], padding: 'VALID', data_format: 'NHWC' } as const

/** What operators are written with where nothing else is said. */
const USUAL: Readonly<Record<string, Attributes>> = {
  ...{ Conv2D: STILL, DepthwiseConv2dNative: STILL, _FusedConv2D: STILL, FusedDepthwiseConv2dNative: STILL, Conv2DBackpropInput: STILL },
  ...{ MaxPool: { ...STILL, ksize: [1, 2, 2, 1] }, AvgPool: { ...STILL, ksize: [1, 2, 2, 1] } },
  ...{ FusedBatchNormV3: { epsilon: 0, data_format: 'NHWC' }, BiasAdd: { data_format: 'NHWC' } },
}

const shapeAttribute = (extents: readonly number[]) => ({ shape: { dim: extents.map(size => ({ size: String(size) })) } })

/** A frozen graph as the converter writes it. */
export const smallGraph = ({ weights, inputs = { x: [-1, 8, 8, 3] }, build }: SmallGraph): SmallTfjs => {
  const nodes: RawNode[] = []
  const constants: Record<string, { shape: readonly number[]; numbers: readonly number[] }> = {}
  const named = (name: string, op: string, input: readonly string[], attr: object): string => {
    nodes.push({ name, op, input, attr: attr as RawNode['attr'] } as RawNode)
    return name
  }
  const constant = (name: string, type: string, shape: readonly number[]) =>
    named(name, 'Const', [], { dtype: { type }, value: { tensor: { dtype: type, tensorShape: shapeAttribute(shape).shape } } })
  for (const [name, shape] of Object.entries(inputs))
    named(name, 'Placeholder', [], { dtype: { type: 'DT_FLOAT' }, shape: shapeAttribute(shape) })
  for (const [name, shape] of Object.entries(weights)) constant(name, 'DT_FLOAT', shape)
  const output = build({
    node: (op, given, attributes = {}) => {
      const all = Object.entries({ ...USUAL[op], ...attributes }).map(([key, value]) => [key, attributeOf(value)])
      return named(`${op}_${nodes.length}`, op, given, { T: { type: 'DT_FLOAT' }, ...Object.fromEntries(all) })
    },
    ints: (numbers, shape = [numbers.length]) => {
      const name = `const_${nodes.length}`
      constants[name] = { shape, numbers }
      return constant(name, 'DT_INT32', shape)
    },
  })
  named('y', 'Identity', [output], { T: { type: 'DT_FLOAT' } })
  return { description: { format: 'graph-model', modelTopology: { node: nodes, versions: { producer: 1 } } }, weights, constants }
}

/** A model of layers, as `model.save` writes it. */
export const smallLayers = (model: layers.LayersModel): SmallTfjs => {
  const modelTopology = model.toJSON(null, false) as object
  const weights = Object.fromEntries(model.weights.map(({ originalName, shape }) => [originalName, shape as number[]]))
  model.dispose()
  return { description: { format: 'layers-model', modelTopology }, weights, constants: {} }
}

const entriesOf = ({ weights, constants }: SmallTfjs): tf.io.WeightsManifestEntry[] => [
  ...Object.entries(weights).map(([name, shape]) => ({ name, shape: [...shape], dtype: 'float32' as const })),
  ...Object.entries(constants).map(([name, { shape }]) => ({ name, shape: [...shape], dtype: 'int32' as const })),
]

/** What couplings are found from. */
export const partsOf = (
  small: SmallTfjs,
): readonly [description: Json, manifest: Manifest, constants: ReadonlyMap<string, readonly number[]>] => [
  small.description,
  parseManifest([{ paths: ['weights.bin'], weights: entriesOf(small) }]),
  new Map(Object.entries(small.constants).map(([name, { numbers }]) => [name, numbers])),
]

/** Writes it with weights of their own, positive where they are variances, into a folder; gives the path of model.json. */
export const placeTfjs = async (folder: string, small: SmallTfjs): Promise<string> => {
  const rng = createRng(3)
  const numberOf = (name: string): number => (/variance/.test(name) ? 0.5 + Math.abs(rng.normal()) : rng.normal() * 0.4)
  const floats = Object.entries(small.weights).flatMap(([name, shape]) => Array.from({ length: sizeOf(shape) }, () => numberOf(name)))
  const whole = Object.values(small.constants).flatMap(({ numbers }) => numbers)
  await mkdir(folder, { recursive: true })
  const bytes = [Float32Array.from(floats), Int32Array.from(whole)].map(({ buffer }) => Buffer.from(buffer))
  await writeFile(join(folder, 'weights.bin'), Buffer.concat(bytes))
  const path = join(folder, 'model.json')
  await writeFile(path, JSON.stringify({ ...small.description, weightsManifest: [{ paths: ['weights.bin'], weights: entriesOf(small) }] }))
  return path
}

/** What unmodified tfjs makes of a file. */
export const inTfjs = async (path: string, x: tf.Tensor): Promise<Float32Array> => {
  const { weightsManifest, ...rest } = JSON.parse(await readFile(path, 'utf8')) as { weightsManifest: tf.io.WeightsManifestConfig; format: string; modelTopology: object } // prettier-ignore
  const files = await Promise.all(weightsManifest.flatMap(({ paths }) => paths).map(file => readFile(join(dirname(path), file))))
  const weightData = Uint8Array.from(Buffer.concat(files)).buffer
  const handler = { load: async () => ({ ...rest, weightSpecs: weightsManifest.flatMap(({ weights }) => weights), weightData }) }
  const model = rest.format === 'graph-model' ? await converter.loadGraphModel(handler) : await layers.loadLayersModel(handler)
  const y = model.predict(x) as tf.Tensor
  const values = await y.data<'float32'>()
  y.dispose()
  model.dispose()
  return values
}

/** Two small images, (2, 8, 8, 3). */
export const IMAGES = Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i))

/** What a network makes of them. */
export const outputsOf = async (network: Model): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(network)
  const x = tf.tensor(IMAGES, [2, 8, 8, 3])
  const y = forward(network, x, { weights })
  const values = await y.data<'float32'>()
  tf.dispose([x, y])
  dispose()
  return values
}

/** The largest difference; Infinity where one has more numbers. */
export const apart = (a: Float32Array, b: Float32Array): number =>
  a.length === b.length ? a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) : Infinity
