import {
  checkTraining,
  definePass,
  isParametrization,
  trainIn,
  TRAINING,
  trainingOf,
  value,
  type Made,
  type Parametrization,
} from '@tersor/core'
import { lsq } from './lsq.js'

/**
 * Quantization-aware training: weights, and inputs where the parametrization has them, are rounded in each step, and the network learns to
 * live with it. θ ← θ + Adam(∇ Σ weight · term), over rows of the calibration inputs; the teacher is the model before the pipeline.
 * Throws BAD_OPTION, NO_CALIBRATION, and what `train` throws. Jacob et al. 2017, https://arxiv.org/abs/1712.05877
 */
export const qat = definePass({
  name: 'qat',
  summary: 'trains a network with its weights rounded, to be like the one before',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
    section: 'section 3',
  },
  options: {
    parametrization: value<Parametrization & Made>({
      of: 'parametrization',
      is: isParametrization,
      default: lsq(),
      doc: 'how weights are rounded while training',
    }),
    ...TRAINING,
  },
  check: checkTraining,
  run: (model, context, { parametrization, ...options }) =>
    trainIn(context, 'qat', model, { ...trainingOf(options), parametrize: parametrization }),
})
