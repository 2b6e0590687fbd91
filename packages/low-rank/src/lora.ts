import { byPlace, checkTraining, definePass, frozen, ONLY, refuseItself, trainIn, TRAINING, trainingOf } from '@tersor/core'
import { ADAPTER, loraWeights } from './lora-weights.js'

/**
 * Trains products of two thin matrices beside weights that stay as they are, so that a compressed model answers as the one before it; over
 * codes on a grid this is QLoRA. ŵ = w + α / r · U V, θ ← θ + Adam(∇ Σ weight · term), over rows of the calibration inputs; all but U and V
 * is frozen. Throws BAD_OPTION, NO_CALIBRATION, COMPOSITION where there is nothing to learn. Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
 */
export const lora = definePass({
  name: 'lora',
  summary: 'trains small matrices beside compressed weights, which stay bit for bit',
  paper: {
    title: 'QLoRA: Efficient Finetuning of Quantized LLMs',
    authors: 'Dettmers et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2305.14314',
  },
  differs: 'weights are what earlier steps made of them, in any form; states of the optimiser are not paged',
  options: { ...ADAPTER, ...TRAINING, rate: { ...TRAINING.rate, default: 1e-3 }, ...ONLY },
  check: checkTraining,
  run: async (model, context, { rank, alpha, only, except, ...options }) => {
    refuseItself(context, 'lora', model, options)
    const weights = loraWeights({
      rank,
      ...(alpha !== undefined && { alpha }),
      ...(only !== undefined && { only }),
      ...(except !== undefined && { except }),
    })
    return trainIn(context, 'lora', model, { ...trainingOf(options), parametrize: byPlace([() => true, weights], [() => true, frozen]) })
  },
})
