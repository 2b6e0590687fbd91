import * as tf from '@tensorflow/tfjs-core'
import {
  biasNameOf,
  decode,
  definePass,
  sitesOf,
  toMatrix,
  walkStages,
  type Calibration,
  type Context,
  type Model,
  type Site,
  type Stage,
  type Visit,
} from '@tersor/core'
import { CompressionError, fromFloat32, toFloat32, type Parameter } from '@tersor/tensor'

const NAME = 'bias-correction'

/** Kernels that see channels of their own. */
const kernelsOf = (model: Model, { weight, outAxis, convolution }: Site): number =>
  convolution?.depthwise ? model.params.info(weight).shape[outAxis] : 1

/** The sum of each column of the inputs, (in); depthwise, of each channel's own patches, (channels · kernel). */
const sumsOf = (model: Model): Calibration<tf.Tensor> => ({
  init: (site, columns) => tf.zeros([columns * kernelsOf(model, site)]),
  update: (sum, input, site) => tf.add(sum, tf.sum(tf.reshape(input, [-1, input.shape[1] * kernelsOf(model, site)]), 0)),
})

const refuse = (what: string, remedy: string, fields: Readonly<Record<string, unknown>> = {}): CompressionError =>
  new CompressionError('COMPOSITION', what, remedy, fields)

interface Biased {
  readonly site: Site
  readonly bias: string
}

/** The sites whose weight is compressed and that have a bias. */
const correctable = (model: Model, { source }: Context): readonly Biased[] => {
  const [names, before] = [new Set(model.params.names()), new Set(source.params.names())]
  const compressed = sitesOf(model).filter(({ kind, weight }) => kind !== 'embedding' && model.params.info(weight).codec !== undefined)
  const found = compressed.map(site => ({ site, bias: biasNameOf(site) })).filter(({ bias }) => names.has(bias))
  if (found.length === 0)
    throw refuse(
      `${NAME} found no compressed weight with a bias.`,
      'Put it after the step that quantizes; batch norms are folded before that.',
    )
  const stranger = found.find(({ bias }) => !before.has(bias))
  if (!stranger) return found
  throw refuse(
    `What the weights are compared with has no "${stranger.bias}": a step that changes them without rounding did not say that it is exact.`,
    'Give that pass exact: true.',
    { name: stranger.bias },
  )
}

/** b + (W − Ŵ) · E[x]; W, Ŵ: (out, in), mean: (in), b: (out). */
const corrected = async ({ read }: Visit, { source, signal }: Context, { site, bias }: Biased, mean: tf.Tensor): Promise<Parameter> => {
  const before = await source.params.read(site.weight, { signal })
  const [after, old] = [await read(site.weight), await read(bias)]
  if (old.kind !== 'dense') throw refuse(`"${bias}" is compressed itself.`, `Put ${NAME} before the step that compresses biases.`, { bias })
  const shift = tf.tidy(() => {
    const lost = tf.sub(toMatrix(decode(before), site.outAxis), toMatrix(decode(after), site.outAxis))
    if (site.convolution?.depthwise) return tf.sum(tf.mul(lost, tf.reshape(mean, lost.shape)), 1)
    return tf.reshape(tf.matMul(lost, tf.reshape(mean, [-1, 1])), [-1])
  })
  const values = await shift.data<'float32'>()
  shift.dispose()
  return fromFloat32(
    toFloat32(old).map((value, channel) => value + values[channel]),
    'f32',
    old.shape,
  )
}

/**
 * Bias correction: adds to each bias what the compressed weight takes from the mean of the layer's output, b′ = b + (W − Ŵ) · E[x].
 * W, Ŵ: (out, in), E[x]: (in), the mean input over calibration, patches for a convolution; stages before are corrected already.
 * Nagel et al. 2019, https://arxiv.org/abs/1906.04721, section 4.2. Throws NO_CALIBRATION, and COMPOSITION where no compressed weight has a bias.
 */
export const biasCorrection = definePass({
  name: NAME,
  summary: 'adds to each bias what the quantized weight takes from the mean of the layer’s output',
  paper: {
    title: 'Data-Free Quantization Through Weight Equalization and Bias Correction',
    authors: 'Nagel et al.',
    year: 2019,
    url: 'https://arxiv.org/abs/1906.04721',
    section: 'section 4.2',
  },
  differs: 'E[x] is measured on data in place of derived from batch norms',
  options: {},
  run: async (model, context) => {
    const bySite = new Map(correctable(model, context).map(each => [each.site.name, each]))
    const isBiased = ({ name }: Site): boolean => bySite.has(name)
    const walk = { pass: NAME, calibrated: true, visits: ({ sites }: Stage) => sites.some(isBiased) }
    return walkStages(model, context, walk, async visit => {
      const collected = await visit.statistics(sumsOf(model), isBiased)
      for (const site of visit.stage.sites.filter(isBiased)) {
        const { stats, rows } = collected.of(site)
        if (rows === 0) continue
        const biased = bySite.get(site.name)!
        const mean = tf.div(stats as tf.Tensor, rows / kernelsOf(model, site))
        visit.replace(biased.bias, await corrected(visit, context, biased, mean).finally(() => mean.dispose()))
      }
    })
  },
})
