import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as layers from '@tensorflow/tfjs-layers'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRng } from '@tersor/core'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const type = { type: 'DT_FLOAT' }
const shapeOf = (...extents: number[]) => ({ shape: { dim: extents.map(size => ({ size: String(size) })) } })

const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  'conv/kernel': [3, 3, 2, 4],
  'conv/bias': [4],
  'deep/kernel': [3, 3, 4, 1],
  'dense/kernel': [36, 5],
  'dense/bias': [5],
}

const convolution = (
  name: string,
  op: string,
  input: readonly string[],
  stride: number,
  padding: string,
  fused: readonly string[] = [],
) => ({
  name,
  op,
  input,
  attr: {
    T: type,
    strides: { list: { i: ['1', String(stride), String(stride), '1'] } },
    dilations: { list: { i: ['1', '1', '1', '1'] } },
    padding: { s: base64(padding) },
    data_format: { s: base64('NHWC') },
    ...(fused.length > 0 ? { fused_ops: { list: { s: fused.map(base64) } }, num_args: { i: String(1) }, epsilon: { f: 0 } } : {}),
  },
})

/** A graph over images (batch, 6, 6, 2): convolution with stride 2 and bias, depthwise convolution, and a product behind a branch. */
export const graphTopology = {
  node: [
    { name: 'images', op: 'Placeholder', attr: { dtype: type, ...{ shape: shapeOf(-1, 6, 6, 2) } } },
    ...Object.entries(WEIGHTS).map(([name, shape]) => ({
      name,
      op: 'Const',
      attr: { dtype: type, value: { tensor: { dtype: 'DT_FLOAT', tensorShape: shapeOf(...shape).shape } } },
    })),
    {
      name: 'flat/shape',
      op: 'Const',
      attr: { dtype: { type: 'DT_INT32' }, value: { tensor: { dtype: 'DT_INT32', tensorShape: shapeOf(2).shape } } },
    },
    { name: 'dense/same', op: 'Identity', input: ['dense/kernel'], attr: { T: type } },
    convolution('conv', '_FusedConv2D', ['images', 'conv/kernel', 'conv/bias'], 2, 'SAME', ['BiasAdd', 'Relu']),
    convolution('deep', 'DepthwiseConv2dNative', ['conv', 'deep/kernel'], 1, 'SAME'),
    { name: 'sum', op: 'AddV2', input: ['conv', 'deep'], attr: { T: type } },
    { name: 'flat', op: 'Reshape', input: ['sum', 'flat/shape'], attr: { T: type, Tshape: { type: 'DT_INT32' } } },
    { name: 'dense', op: 'MatMul', input: ['flat', 'dense/same'], attr: { T: type, transpose_a: { b: false }, transpose_b: { b: false } } },
    { name: 'logits', op: 'BiasAdd', input: ['dense', 'dense/bias'], attr: { T: type, data_format: { s: base64('NHWC') } } },
  ],
  versions: { producer: 1 },
}

const place = async (folder: string, model: object, weights: readonly tf.io.WeightsManifestEntry[], bytes: Uint8Array): Promise<string> => {
  const path = join(folder, 'model.json')
  await writeFile(join(folder, 'group1-shard1of1.bin'), bytes)
  await writeFile(path, JSON.stringify({ ...model, weightsManifest: [{ paths: ['group1-shard1of1.bin'], weights }] }))
  return path
}

/** Writes the graph with random weights as the converter does. */
export const placeGraph = (folder: string, topology: object = graphTopology): Promise<string> => {
  const rng = createRng(3)
  const values = Object.values(WEIGHTS).flatMap(shape => Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal() * 0.4))
  const entries = Object.entries(WEIGHTS).map(([name, shape]) => ({ name, shape: [...shape], dtype: 'float32' as const }))
  const bytes = Buffer.concat([Buffer.from(Float32Array.from(values).buffer), Buffer.from(Int32Array.of(-1, 36).buffer)])
  return place(
    folder,
    { format: 'graph-model', modelTopology: topology },
    [...entries, { name: 'flat/shape', shape: [2], dtype: 'int32' }],
    bytes,
  )
}

/** Writes a model of layers with random weights, as `model.save` does: a convolution, a depthwise one inside a model inside the model, two dense layers. */
export const placeLayers = async (folder: string): Promise<string> => {
  const inner = layers.sequential({
    name: 'inner',
    layers: [
      layers.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', name: 'deep', inputShape: [3, 3, 4], useBias: false }),
      layers.layers.batchNormalization({ name: 'norm' }),
    ],
  })
  const input = layers.input({ shape: [6, 6, 2] })
  const first = layers.layers
    .conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', name: 'conv' })
    .apply(input)
  const flat = layers.layers.flatten().apply(inner.apply(first))
  const output = layers.layers.dense({ units: 5, name: 'dense' }).apply(flat) as layers.SymbolicTensor
  return saveLayers(folder, layers.model({ inputs: input, outputs: output }))
}

/** Gives a model of layers random weights and writes it as `model.save` does. */
export const saveLayers = async (folder: string, model: layers.LayersModel): Promise<string> => {
  const rng = createRng(4)
  model.setWeights(model.getWeights().map(({ shape, size }) => tf.tensor(Float32Array.from({ length: size }, () => 0.2 + Math.abs(rng.normal()) * 0.4), shape))) // prettier-ignore
  let path = ''
  await model.save({
    save: async artifacts => {
      path = await place(
        folder,
        { format: 'layers-model', modelTopology: artifacts.modelTopology },
        artifacts.weightSpecs!,
        new Uint8Array(artifacts.weightData as ArrayBuffer),
      )
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
    },
  })
  model.dispose()
  return path
}
