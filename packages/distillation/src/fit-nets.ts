import * as tf from '@tensorflow/tfjs-core'
import { asRows, defineTerm, required, text } from '@tersor/core'
import { sameButChannels } from './places.js'

/**
 * FitNets: hints from inside the teacher, which a projection that is trained along brings to its width.
 * ½ mean (t − s P)²; s: (…, channels), t: (…, others), P: (channels, others), and none where the widths agree.
 * Throws BAD_OPTION, NOT_FOUND for a place that is not there, SHAPE for places of other sizes. Romero et al. 2014, https://arxiv.org/abs/1412.6550
 */
export const fitNets = defineTerm({
  name: 'fit-nets',
  summary: 'makes what the teacher makes at a place inside, by way of a projection',
  paper: { title: 'FitNets: Hints for Thin Deep Nets', authors: 'Romero et al.', year: 2014, url: 'https://arxiv.org/abs/1412.6550' },
  differs: 'the hint is a term beside others, not a stage of training before them; places of one width need no projection',
  options: {
    student: required(text({ doc: 'the place in the student, such as the name of a stage' })),
    teacher: required(text({ doc: 'the place in the teacher' })),
  },
  make: ({ student: own, teacher: taught }) => ({
    places: { student: [own], teacher: [taught] },
    init: ({ student, teacher }, rng) => {
      const [inputs, outputs] = [student.at(own).shape.at(-1)!, teacher.at(taught).shape.at(-1)!]
      if (inputs === outputs) return {}
      const values = Float32Array.from({ length: inputs * outputs }, () => rng.normal() / Math.sqrt(inputs))
      return { projection: tf.tensor2d(values, [inputs, outputs]) }
    },
    loss: ({ student, teacher }, { projection }) => {
      const [s, t] = [student.at(own), teacher.at(taught)]
      sameButChannels('fit-nets', s, t)
      const made = projection ? tf.matMul(asRows(s), projection as tf.Tensor2D) : asRows(s) // (rows, others)
      return tf.mul(tf.mean(tf.square(tf.sub(asRows(t), made))), 0.5)
    },
  }),
})
