/** Claims about language models whose weights have two bits or three values, learned in training. */
import { byPlace, crossEntropy, frozen, sgd, type Model, type Parametrization, type TrainOptions } from '@tersor/core'
import { softLabels } from '@tersor/distillation'
import { freshModel } from '@tersor/models'
import { bitNet, differentiableQuantization, quantizedDistillation } from '@tersor/quantization'
import { PERPLEXITY, type Claim } from './claim.js'
import { adamOnCosine } from './recipe.js'
import { bundled, configOfBundled, perplexityOf, trainOnText } from './texts.js'

const STEPS = 60
const GRID = { bits: 2, bucket: 128 } as const

/** As a parametrization stores the weights that it begins with. */
const unlearned = (parametrize: Parametrization): Pick<TrainOptions, 'parametrize' | 'transform' | 'steps'> => ({
  ...{ parametrize, transform: sgd({ learningRate: 0 }), steps: 1 },
})

const measured = async (model: Model, seed: number, options: Partial<TrainOptions> & Pick<TrainOptions, 'steps'>) => ({
  perplexity: await perplexityOf(await trainOnText(model, seed, options)),
})

/** The points of each matrix learn, and nothing else. */
const pointsAlone = byPlace([({ site }) => site !== undefined, differentiableQuantization(GRID)], [() => true, frozen])

const points: Claim = {
  name: 'two-bits',
  says: `the bundled model on 4 points a weight, ${STEPS} steps: quantized distillation below the same without a teacher and below no training; learned points below those it begins with`,
  figures: { perplexity: PERPLEXITY },
  sides: async () => {
    const { model } = await bundled()
    const uniform = quantizedDistillation(GRID)
    const taught = { objective: softLabels({ temperature: 2 }), steps: STEPS }
    return [
      { name: 'even points', fixed: true, measure: async seed => measured(model, seed, unlearned(uniform)) },
      { name: 'no teacher', measure: async seed => measured(model, seed, { parametrize: uniform, objective: crossEntropy, steps: STEPS }) },
      { name: 'quantized distillation', measure: async seed => measured(model, seed, { parametrize: uniform, ...taught }) },
      {
        name: 'points at quantiles',
        fixed: true,
        measure: async seed => measured(model, seed, unlearned(differentiableQuantization(GRID))),
      },
      { name: 'differentiable quantization', measure: async seed => measured(model, seed, { parametrize: pointsAlone, ...taught }) },
    ]
  },
  orders: [
    { figure: 'perplexity', first: 'quantized distillation', than: 'even points' },
    { figure: 'perplexity', first: 'quantized distillation', than: 'no teacher' },
    { figure: 'perplexity', first: 'differentiable quantization', than: 'points at quantiles' },
  ],
}

const FRESH_STEPS = 120

const ternary: Claim = {
  name: 'bit-net',
  says: `the bundled architecture with two layers from fresh weights, ${FRESH_STEPS} steps of the text: three values a weight from the start far below a network in floats whose weights get them at the end`,
  figures: { perplexity: PERPLEXITY },
  sides: async () => {
    const config = { ...(await configOfBundled()), num_hidden_layers: 2 }
    const learned = (seed: number, parametrize?: Parametrization) =>
      trainOnText(freshModel(config, { seed, dtype: 'f32' }), seed, {
        ...{ steps: FRESH_STEPS, transform: adamOnCosine({ steps: FRESH_STEPS, norm: 1, peak: 3e-3 }) },
        ...(parametrize && { parametrize }),
      })
    return [
      { name: 'floats', measure: async seed => ({ perplexity: await perplexityOf(await learned(seed)) }) },
      { name: 'floats, three values at the end', measure: async seed => measured(await learned(seed), seed, unlearned(bitNet())) },
      { name: 'BitNet b1.58', measure: async seed => ({ perplexity: await perplexityOf(await learned(seed, bitNet())) }) },
    ]
  },
  orders: [{ figure: 'perplexity', first: 'BitNet b1.58', than: 'floats, three values at the end' }],
}

export const FEW_BITS: readonly Claim[] = [points, ternary]
