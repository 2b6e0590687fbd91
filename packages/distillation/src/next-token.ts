import * as tf from '@tensorflow/tfjs-core'
import { crossEntropy, defineTerm } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

/** A target that is not told. */
const UNTOLD = -1

/**
 * To predict the texts of the data themselves, as a language model does; it needs neither targets nor a teacher.
 * −mean log softmax(s_i)[token_(i+1)], ids (batch, tokens), s: (batch, tokens, vocabulary); padding is not predicted. Nats.
 * Throws SHAPE where the outputs are no logits of such ids. Bengio et al. 2003, https://www.jmlr.org/papers/v3/bengio03a.html
 */
export const nextToken = defineTerm({
  name: 'next-token',
  summary: 'predicts each token of the data from those before it, without a teacher',
  paper: {
    title: 'A Neural Probabilistic Language Model',
    authors: 'Bengio et al.',
    year: 2003,
    url: 'https://www.jmlr.org/papers/v3/bengio03a.html',
  },
  options: {},
  make: () => ({
    loss: ({ batch: { input, attended }, student: { output } }) => {
      const [rows, tokens] = input.shape
      if (input.rank !== 2 || output.rank !== 3 || output.shape[1] !== tokens || tokens < 2)
        throw new CompressionError(
          'SHAPE',
          `The term "next-token" got inputs [${input.shape}] and outputs [${output.shape}].`,
          'Train a language model on ids (batch, tokens), two tokens or more at a time.',
          { input: input.shape, output: output.shape },
        )
      const behind = (x: tf.Tensor): tf.Tensor => tf.cast(tf.slice(x, [0, 1], [-1, -1]), 'int32') // (batch, tokens − 1)
      const ids = behind(input)
      const target = attended ? tf.where(tf.cast(behind(attended), 'bool'), ids, tf.fill(ids.shape, UNTOLD, 'int32')) : ids
      return crossEntropy(tf.slice(output, [0, 0, 0], [rows, tokens - 1, -1]), { input, target })
    },
  }),
})
