import { activationNames, definePass, quantizedActivations, readDense, type Model } from '@tersor/core'
import { CompressionError, fromFloat32, toFloat32, type ParameterSink, type ParameterStore } from '@tersor/tensor'
import type { ImageClassifier } from './image-classifier.js'
import type { ResNetConfig } from './resnet-config.js'
import { convolutionsOf, isFolded, resNetCouplings, resNetStages, type NormedConvolution } from './resnet.js'

const classifierOf = (model: Model): ImageClassifier<ResNetConfig> => {
  const candidate = model as Partial<ImageClassifier<ResNetConfig>>
  if (candidate.family === 'image' && candidate.config?.groups && !isFolded(model.params)) return model as ImageClassifier<ResNetConfig>
  throw new CompressionError(
    'COMPOSITION',
    'fold-batch-norm found no batch norms to fold.',
    'Use it once, on a ResNet that was opened with its norms apart.',
  )
}

/** W′ = W · s and b′ = bias − mean · s with s = weight / √(variance + ε), output channel by channel. */
const fold = async (each: NormedConvolution, epsilon: number, params: ParameterStore, sink: ParameterSink, signal: AbortSignal) => {
  const { site, norm, outputs } = each
  const read = async (name: string): Promise<Float32Array> => toFloat32(await readDense('fold-batch-norm', params, name, signal))
  const kernel = await readDense('fold-batch-norm', params, site.weight, signal)
  const [values, gain, bias, mean, variance] = [
    toFloat32(kernel),
    await read(`${norm}.weight`),
    await read(`${norm}.bias`),
    await read(`${norm}.running_mean`),
    await read(`${norm}.running_var`),
  ]
  const scale = gain.map((value, channel) => value / Math.sqrt(variance[channel] + epsilon))
  const perChannel = values.length / outputs
  const scaled = values.map((value, i) => value * scale[Math.floor(i / perChannel)])
  await sink.write(site.weight, fromFloat32(scaled, kernel.dtype, kernel.shape))
  await sink.write(
    `${site.name}.bias`,
    fromFloat32(
      bias.map((value, channel) => value - mean[channel] * scale[channel]),
      'f32',
      [outputs],
    ),
  )
}

/**
 * Folds each batch norm into the convolution before it: the same function with fewer parameters and steps; grids of inputs stay.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877, section 3.2.
 * Throws COMPOSITION for a model without batch norms and for convolutions that are compressed already.
 */
export const foldBatchNorm = definePass({
  name: 'fold-batch-norm',
  summary: 'folds batch norms into the convolutions before them',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
    section: 'section 3.2',
  },
  exact: true,
  options: {},
  run: async (model, { signal, sink }) => {
    const { config, params } = classifierOf(model)
    const out = sink()
    try {
      for (const each of convolutionsOf(config)) {
        signal.throwIfAborted()
        await fold(each, config.epsilon, params, out, signal)
      }
      const stages = resNetStages(config, true)
      const known = new Set(params.names())
      const grids = stages.flatMap(({ sites }) => sites.flatMap(activationNames)).filter(name => known.has(name)) // inputs stay as they were
      for (const name of ['linear.weight', 'linear.bias', ...grids]) await out.write(name, await params.read(name, { signal }))
      return quantizedActivations({ ...model, params: await out.finish(), stages, couplings: resNetCouplings(config) })
    } catch (error) {
      await out.abort()
      throw error
    }
  },
})
