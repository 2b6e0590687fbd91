import type { Tensor } from '@tensorflow/tfjs-core'
import { eachSiteStatistics, type Site } from '@tersor/core'
import { checkRead } from './check-read.js'
import { inputNorms, MURALIDHARAN, normsAlong, readingsAt, readingsOf } from './input-norms.js'
import { meanOfMembers, toUnits } from './summed-scores.js'
import { defineUnitScore } from './unit-score.js'

/**
 * Scores units by what is read of them: √ Σ over batches of (mean over tokens of ‖x_u‖₂)², the mean over the layers that read them.
 * X: (tokens, in). Takes no options. Throws NO_CALIBRATION; UNSUPPORTED for units that no layer reads, such as experts.
 * Muralidharan et al. 2024, https://arxiv.org/abs/2407.14679
 */
export const unitActivation = defineUnitScore({
  name: 'unit-activation',
  summary: 'scores units by the norm of what is read of them over calibration',
  paper: MURALIDHARAN,
  differs:
    'a batch of calibration stands for a sequence; channels of the stream are judged where they are read behind norms, each layer equally',
  options: {},
  make: () => ({
    of: async ({ step, model, couplings, context }) => {
      const readings = readingsOf(couplings)
      checkRead(model, couplings)
      const mean = meanOfMembers(couplings)
      const chosen = (site: Site): boolean => readingsAt(readings, site).length > 0
      await eachSiteStatistics(model, context, { step, calibration: inputNorms(readings), chosen }, async (site, { stats }) => {
        for (const { coupling, member, size } of readingsAt(readings, site)) {
          const norms = await normsAlong(stats as Readonly<Record<string, Tensor>>, size)
          mean.add(coupling, toUnits(norms, member, couplings[coupling].units))
        }
      })
      return mean.all()
    },
  }),
})
