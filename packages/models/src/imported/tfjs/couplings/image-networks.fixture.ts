import type * as Layers from '@tensorflow/tfjs-layers'
import type { SmallGraph } from './coupled-tfjs.fixture.js'

/** A stem, an inverted residual with a gate, a branch beside it, and a head over flattened images, as image networks are. */
export const IMAGE_GRAPH: SmallGraph = {
  weights: {
    ...{ stem: [3, 3, 3, 6], scale: [6], shift: [6], mean: [6], variance: [6] },
    ...{ expand: [1, 1, 6, 10], 'expand.bias': [10], depth: [3, 3, 10, 1], 'depth.bias': [10] },
    ...{ squeeze: [1, 1, 10, 4], excite: [1, 1, 4, 10], project: [1, 1, 10, 6] },
    ...{ beside: [3, 3, 6, 4], slopes: [4], hidden: [160, 7], 'hidden.bias': [7], head: [7, 5] },
  },
  build: g => {
    const first = g.node('Conv2D', ['x', 'stem'], { strides: [1, 2, 2, 1], padding: 'SAME' })
    const stream = g.node('Relu', [g.node('FusedBatchNormV3', [first, 'scale', 'shift', 'mean', 'variance'])])
    const wide = g.node('_FusedConv2D', [stream, 'expand', 'expand.bias'], { fused_ops: ['BiasAdd', 'Relu6'], num_args: 1 })
    const deep = g.node('FusedDepthwiseConv2dNative', [wide, 'depth', 'depth.bias'], { padding: 'SAME', fused_ops: ['BiasAdd'], num_args: 1 }) // prettier-ignore
    const means = g.node('Mean', [deep, g.ints([1, 2])], { keep_dims: true })
    const gate = g.node('Sigmoid', [g.node('Conv2D', [g.node('Relu', [g.node('Conv2D', [means, 'squeeze'])]), 'excite'])])
    const sum = g.node('AddV2', [g.node('Conv2D', [g.node('Mul', [deep, gate]), 'project']), stream])
    const beside = g.node('Prelu', [g.node('Conv2D', [sum, 'beside'], { padding: 'SAME' }), 'slopes'])
    const pooled = g.node('MaxPool', [g.node('ConcatV2', [sum, beside, g.ints([3], [])], { N: 2 })], { padding: 'SAME' })
    const flat = g.node('Reshape', [pooled, g.ints([-1, 160])])
    return g.node('MatMul', [g.node('Tanh', [g.node('BiasAdd', [g.node('MatMul', [flat, 'hidden']), 'hidden.bias'])]), 'head'])
  },
}

/** The same kinds of units in layers: batch norms, kernels of a channel, a model inside of the model, and shapes. */
export const imageLayers = ({ layers, input, model, sequential }: typeof Layers): Layers.LayersModel => {
  const images = input({ shape: [8, 8, 3] })
  const stem = layers.conv2d({ filters: 6, kernelSize: 3, strides: 2, padding: 'same', useBias: false, name: 'stem' }).apply(images)
  const stream = layers.reLU({ name: 'stem_relu', maxValue: 6 }).apply(layers.batchNormalization({ name: 'norm' }).apply(stem))
  const wide = layers.conv2d({ filters: 10, kernelSize: 1, activation: 'relu', name: 'expand' }).apply(stream)
  const inner = sequential({
    name: 'inner',
    layers: [
      layers.zeroPadding2d({ padding: 1, inputShape: [4, 4, 10], name: 'zeros' }),
      layers.depthwiseConv2d({ kernelSize: 3, name: 'depth' }),
      layers.batchNormalization({ name: 'inner_norm' }),
    ],
  })
  const project = layers.conv2d({ filters: 6, kernelSize: 1, name: 'project' }).apply(inner.apply(wide))
  const sum = layers.add({ name: 'sum' }).apply([project, stream] as Layers.SymbolicTensor[])
  const beside = layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'tanh', name: 'beside' }).apply(sum)
  const both = layers.concatenate({ name: 'both' }).apply([sum, beside] as Layers.SymbolicTensor[])
  const shaped = layers.reshape({ targetShape: [16, 10], name: 'shaped' }).apply(layers.prelu({ name: 'slopes', sharedAxes: [1, 2] }).apply(both)) // prettier-ignore
  const back = layers.reshape({ targetShape: [4, 4, 10], name: 'back' }).apply(shaped)
  const flat = layers.flatten({ name: 'flat' }).apply(layers.maxPooling2d({ poolSize: 2, name: 'pool' }).apply(back))
  const hidden = layers.dense({ units: 12, activation: 'sigmoid', name: 'hidden' }).apply(flat)
  return model({ inputs: images, outputs: layers.dense({ units: 5, name: 'head' }).apply(hidden) as Layers.SymbolicTensor })
}
