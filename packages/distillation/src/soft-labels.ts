import { defineTerm, positive, teacherDivergence } from '@tersor/core'

/**
 * Soft labels: to answer as the teacher does, with all its doubts.
 * T² KL(softmax(t / T) ‖ softmax(s / T)), the mean over rows; s, t: (…, classes). Throws BAD_OPTION, SHAPE for other classes.
 * Hinton et al. 2015, https://arxiv.org/abs/1503.02531
 */
export const softLabels = defineTerm({
  name: 'soft-labels',
  summary: 'answers as the teacher does, with all its doubts',
  paper: {
    title: 'Distilling the Knowledge in a Neural Network',
    authors: 'Hinton et al.',
    year: 2015,
    url: 'https://arxiv.org/abs/1503.02531',
  },
  options: { temperature: positive({ default: 2, doc: 'T: what logits are divided by; a higher one shows more of the unlikely classes' }) },
  make: ({ temperature }) => ({ taught: true, loss: scene => teacherDivergence('soft-labels', scene, temperature) }),
})
