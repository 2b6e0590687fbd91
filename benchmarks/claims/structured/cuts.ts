/** Claims about what is left of the bundled language model without training. */
import { compress, type Step } from '@tersor/core'
import { perplexity, sizeOfModel } from '@tersor/evaluation'
import { flap, sliceGpt, structured, unitActivation, unitNorm, unitRandom, unitTaylor } from '@tersor/pruning'
import { openBundled } from '../bundled-model.js'
import { PERPLEXITY, type Claim, type Side } from '../training/claim.js'

const KEEP = 0.6
const KEEP_STREAM = 0.75
/** What leaves as many parameters as SliceGPT does, whose head becomes a weight of its own. */
const KEEP_AS_MANY = 0.98

let opened: ReturnType<typeof openBundled> | undefined
const bundled = () => (opened ??= openBundled())

const cutBy = (name: string, step: Step | undefined, fixed = true): Side => ({
  name,
  fixed,
  measure: async seed => {
    const { model, calibration, validation } = await bundled()
    const small = step ? await compress(model, step, { calibration, seed }) : model
    return { perplexity: (await perplexity(small, validation)).perplexity, thousands: sizeOfModel(small).parameters / 1000 }
  },
})

const cuts: Claim = {
  name: 'cuts',
  says: `the bundled model with ${KEEP * 100} % of its neurons, nothing trained: FLAP below the sum of squares`,
  figures: { perplexity: PERPLEXITY, thousands: { better: 'lower', digits: 0, tie: 0 } },
  sides: () => [
    cutBy('whole', undefined),
    cutBy('sum of squares', structured({ score: unitNorm(), keep: KEEP })),
    cutBy('activations', structured({ score: unitActivation(), keep: KEEP })),
    cutBy('Taylor', structured({ score: unitTaylor(), keep: KEEP })),
    cutBy('FLAP', flap({ keep: KEEP, units: ['neurons'] })),
    cutBy('chance', structured({ score: unitRandom(), keep: KEEP }), false),
  ],
  orders: [{ figure: 'perplexity', first: 'FLAP', than: 'sum of squares' }],
}

const STREAM = ['stream']

const stream: Claim = {
  name: 'stream',
  says: `the bundled model with ${KEEP_STREAM * 100} % of the channels between its blocks, nothing trained: SliceGPT below the sum of squares at the same cut, and below activations at as many parameters`,
  figures: { perplexity: PERPLEXITY, thousands: { better: 'lower', digits: 0, tie: 0 } },
  sides: () => [
    cutBy('whole', undefined),
    cutBy('sum of squares', structured({ score: unitNorm(), keep: KEEP_STREAM, units: STREAM })),
    cutBy('activations', structured({ score: unitActivation(), keep: KEEP_STREAM, units: STREAM })),
    cutBy('Taylor', structured({ score: unitTaylor(), keep: KEEP_STREAM, units: STREAM })),
    cutBy('activations, as many parameters', structured({ score: unitActivation(), keep: KEEP_AS_MANY, units: STREAM })),
    cutBy('SliceGPT', sliceGpt({ keep: KEEP_STREAM })),
    cutBy('chance', structured({ score: unitRandom(), keep: KEEP_STREAM, units: STREAM }), false),
  ],
  failing:
    "holds at the same cut of the blocks; at as many parameters SliceGPT is behind: the bundled model's head is its embedding, and becomes a weight of its own that takes what the cut gives. Not tried: a network whose head is its own from the start",
  orders: [
    { figure: 'perplexity', first: 'SliceGPT', than: 'sum of squares' },
    { figure: 'perplexity', first: 'SliceGPT', than: 'activations, as many parameters' },
  ],
}

export const CUTS: readonly Claim[] = [cuts, stream]
