import { inputNames, definePass, quantizedActivations, walkStages, type Model, type Visit } from '@tersor/core'
import { CompressionError, fromFloat32, toFloat32 } from '@tersor/tensor'
import type { ImageClassifier } from './image-classifier.js'
import type { ResNetConfig } from './resnet-config.js'
import { convolutionsOf, type NormedConvolution } from './resnet-parameters.js'
import { isFolded, resNetModel, resNetStages } from './resnet.js'

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
const fold = async ({ site, norm, outputs }: NormedConvolution, epsilon: number, { dense, replace }: Visit): Promise<void> => {
  const read = async (name: string): Promise<Float32Array> => toFloat32(await dense(`${norm}.${name}`))
  const kernel = await dense(site.weight)
  const values = toFloat32(kernel)
  const [gain, bias, mean, variance] = [await read('weight'), await read('bias'), await read('running_mean'), await read('running_var')]
  const scale = gain.map((value, channel) => value / Math.sqrt(variance[channel] + epsilon))
  const shift = bias.map((value, channel) => value - mean[channel] * scale[channel])
  const perChannel = values.length / outputs
  const scaled = values.map((value, i) => value * scale[Math.floor(i / perChannel)])
  replace(site.weight, fromFloat32(scaled, kernel.dtype, kernel.shape))
  replace(`${site.name}.bias`, fromFloat32(shift, 'f32', [outputs]))
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
  run: async (model, context) => {
    const { config, rawConfig, params } = classifierOf(model)
    const stages = resNetStages(config, true)
    const wanted = new Set(stages.flatMap(({ parameters, sites }) => [...parameters, ...sites.flatMap(inputNames)])) // inputs stay as they were
    const without = new Set(params.names().filter(name => !wanted.has(name)))
    const bySite = new Map(convolutionsOf(config).map(each => [each.site.name, each]))
    const walked = await walkStages(model, context, { pass: 'fold-batch-norm', without }, async visit => {
      for (const { name } of visit.stage.sites.filter(site => bySite.has(site.name))) {
        context.signal.throwIfAborted()
        await fold(bySite.get(name)!, config.epsilon, visit)
      }
    })
    return quantizedActivations({ ...walked, ...resNetModel(rawConfig, walked.params) })
  },
})
