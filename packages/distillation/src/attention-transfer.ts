import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { defineTerm, required, texts } from '@tersor/core'
import { embedded, normalized, sameButChannels } from './places.js'

/** How strongly each position answers, as a vector of length 1: (batch, …, channels) → (batch, positions). */
const mapOf = (x: tf.Tensor): tf.Tensor => normalized(embedded(tf.sum(tf.square(x), -1)))

/**
 * Attention transfer: to look where the teacher looks, whatever the widths.
 * Σ over places of mean (q_s − q_t)², q = Σ_c x_c² over positions, divided by its length; x: (batch, …, channels).
 * Throws BAD_OPTION, NOT_FOUND, SHAPE. Zagoruyko and Komodakis 2016, https://arxiv.org/abs/1612.03928
 */
export const attentionTransfer = defineTerm({
  name: 'attention-transfer',
  summary: 'looks where the teacher looks: maps of squared activations agree',
  paper: {
    title: 'Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks via Attention Transfer',
    authors: 'Zagoruyko and Komodakis',
    year: 2016,
    url: 'https://arxiv.org/abs/1612.03928',
  },
  differs: 'mean squares of the differences, as the authors’ code has them, where the paper has norms',
  options: {
    student: required(texts({ doc: 'places in the student, such as the names of stages' })),
    teacher: required(texts({ doc: 'places in the teacher, one for each' })),
  },
  check: ({ student, teacher }) =>
    student.length === teacher.length
      ? undefined
      : [`${student.length} places of the student stand before ${teacher.length} of the teacher.`, 'Give one to each.'],
  make: ({ student: own, teacher: taught }) => ({
    places: { student: own, teacher: taught },
    loss: ({ student, teacher }) =>
      addTensors(
        own.map((place, i) => {
          const [s, t] = [student.at(place), teacher.at(taught[i])]
          sameButChannels('attention-transfer', s, t)
          return tf.mean(tf.square(tf.sub(mapOf(s), mapOf(t))))
        }),
      ) as tf.Scalar,
  }),
})
