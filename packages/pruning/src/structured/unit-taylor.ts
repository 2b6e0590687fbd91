import { LABELS } from './labels.js'
import { taylorScores } from './taylor-scores.js'
import { defineUnitScore } from './unit-score.js'

/**
 * Scores units by what the loss would change to first order without them: mean over members of Σ |w · ∂L/∂w|, over what writes and reads a
 * unit; L is the cross-entropy over calibration, of labels, next tokens or the network's own answers.
 * W: any shape that has the units on an axis. Throws BAD_OPTION, NO_CALIBRATION; BAD_DATA for labels that do not fit; UNSUPPORTED where no gradients pass.
 * Molchanov et al. 2019, https://arxiv.org/abs/1906.10771
 */
export const unitTaylor = defineUnitScore({
  name: 'unit-taylor',
  summary: 'scores units by what the loss would change to first order without the weights that write and read them',
  paper: {
    title: 'Importance Estimation for Neural Network Pruning',
    authors: 'Molchanov et al.',
    year: 2019,
    url: 'https://arxiv.org/abs/1906.10771',
  },
  differs:
    'magnitudes of w · g are summed over what a unit owns, as LLM-Pruner does, with the mean gradient over calibration; without labels, what the network answers itself stands for them',
  options: { labels: LABELS },
  make: ({ labels }) => ({ of: asked => taylorScores(asked, { labels }) }),
})
