import { checkTraining, definePass, refuseItself, trainIn, TRAINING, trainingOf } from '@tersor/core'

/**
 * Trains what earlier steps left of a model to be like the model before them, through its codecs: codes and masks stay bit for bit.
 * θ ← θ + Adam(∇ Σ weight · term), over rows of the calibration inputs. Throws BAD_OPTION, NO_CALIBRATION, and what `train` throws.
 */
export const distill = definePass({
  name: 'distill',
  summary: 'trains a compressed model to be like the model before it, codes and masks as they are',
  options: TRAINING,
  check: checkTraining,
  run: async (model, context, options) => {
    refuseItself(context, 'distill', model, options)
    return trainIn(context, 'distill', model, trainingOf(options))
  },
})
