import type { Tensor } from '@tensorflow/tfjs-core'
import { eachSiteStatistics, type Coupling, type Site } from '@tersor/core'
import { checkRead } from './check-read.js'
import { expertOutputs } from './expert-outputs.js'
import { inputNorms, MURALIDHARAN, normsAlong, readingsAt, readingsOf } from './input-norms.js'
import { meanOfMembers, toUnits } from './summed-scores.js'
import { defineUnitScore, type UnitScoring } from './unit-score.js'

const readNorms = async ({ step, model, couplings, context }: UnitScoring): Promise<readonly Float64Array[]> => {
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
}

/**
 * Scores units by what is read of them: √ Σ over batches of (mean over tokens of ‖x_u‖₂)², the mean over the layers that read them; experts by
 * what they add, the mean over tokens of ‖share · expert(x)‖₂.
 * X: (tokens, in). Takes no options. Throws NO_CALIBRATION; UNSUPPORTED for units that no layer reads.
 * Muralidharan et al. 2024, https://arxiv.org/abs/2407.14679
 */
export const unitActivation = defineUnitScore({
  name: 'unit-activation',
  summary: 'scores units by the norm of what is read of them over calibration, experts by that of what they add',
  paper: MURALIDHARAN,
  differs:
    'a batch of calibration stands for a sequence; channels of the stream are judged where they are read behind norms, each layer equally; experts by what their share adds, tokens that go to others counting as nothing',
  options: {},
  make: () => ({
    of: async asked => {
      const isExperts = ({ kind }: Coupling): boolean => kind === 'experts'
      const [experts, others] = [asked.couplings.filter(isExperts), asked.couplings.filter(each => !isExperts(each))]
      const [ofExperts, ofOthers] = [experts.length === 0 ? [] : await expertOutputs(asked.model, experts, asked), others.length === 0 ? [] : await readNorms({ ...asked, couplings: others })] // prettier-ignore
      return asked.couplings.map(each => (isExperts(each) ? ofExperts[experts.indexOf(each)] : ofOthers[others.indexOf(each)]))
    },
  }),
})
