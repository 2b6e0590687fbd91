/** model.json and its weights, as tfjs saves them. */
const LAYERS = `
import * as tf from '@tensorflow/tfjs'
import { writeFileSync } from 'node:fs'

const init = seed => tf.initializers.glorotNormal({ seed })
const model = tf.sequential({ layers: [
  tf.layers.conv2d({ inputShape: [32, 32, 3], filters: 16, kernelSize: 3, strides: 2, activation: 'relu', kernelInitializer: init(1) }),
  tf.layers.conv2d({ filters: 32, kernelSize: 3, strides: 2, activation: 'relu', kernelInitializer: init(2) }),
  tf.layers.flatten(),
  tf.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: init(3) }),
] })
await model.save(tf.io.withSaveHandler(async ({ weightData, weightSpecs, ...rest }) => {
  writeFileSync('weights.bin', Buffer.from(weightData))
  writeFileSync('model.json', JSON.stringify({ ...rest, weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }] }))
  return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } }
}))
`

/** model.onnx: image (1, 3, 32, 32) → Conv → Relu → Flatten → Gemm: classes (1, 10). */
const GRAPH = `
import { encodeModel, graphBuilder, modelOf, tensorHeader } from '@tersor/onnx/file'
import { createRng } from '@tersor/core'
import { dense } from '@tersor/tensor'

const rng = createRng(1)
const weight = (name, shape) => {
  const numbers = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (rng.uniform() - 0.5) / 8)
  const proto = tensorHeader(name, dense('f32', shape, new Uint8Array(numbers.buffer)))
  proto.rawData = new Uint8Array(numbers.buffer)
  return proto
}
const graph = graphBuilder('node_')
const rows = graph.op('Flatten', [graph.op('Relu', [graph.op('Conv', ['image', 'filters'])])])
graph.rename(graph.op('Gemm', [rows, 'dense']), 'classes')
const [inputs, outputs] = [
  [{ name: 'image', dtype: 'f32', shape: [1, 3, 32, 32] }],
  [{ name: 'classes', dtype: 'f32', shape: [1, 10] }],
]
const initializers = [weight('filters', [8, 3, 3, 3]), weight('dense', [7200, 10])]
writeFileSync('model.onnx', encodeModel(modelOf({ name: 'images', graph, inputs, outputs, initializers })))
`

/** A program that writes the graphs of a user into the folder where it runs: a network of images for tfjs, and one for ONNX. */
export const GRAPHS = `${LAYERS}${GRAPH}`
