import * as tf from '@tensorflow/tfjs-core'
import { boolean, defineTerm, divergenceOfRows, required, text, type Scene } from '@tersor/core'
import { logSoftmax } from '@tersor/kernels/log-softmax'
import { CompressionError } from '@tersor/tensor'

/** A logit of what is not looked at. */
const HIDDEN = -1e9

/** log softmax(V Vᵀ / √size) of each head: (batch, heads, tokens, size) → (batch, heads, tokens, tokens). */
export const valueRelations = (values: tf.Tensor, hidden: tf.Tensor | undefined): tf.Tensor => {
  const scores = tf.div(tf.matMul(values, values, false, true), Math.sqrt(values.shape.at(-1)!))
  return logSoftmax(hidden ? tf.add(scores, hidden) : scores)
}

/** What is not looked at: padding, and later tokens in causal networks; (batch or 1, 1, tokens or 1, tokens). */
const hiddenOf = (tokens: number, causal: boolean, { attended }: Scene['batch']): tf.Tensor | undefined => {
  const later = causal ? tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([tokens, tokens]), -1, 0)), HIDDEN) : undefined
  const padding = attended && tf.mul(tf.sub(1, tf.cast(tf.reshape(attended, [-1, 1, 1, tokens]), 'float32')), HIDDEN)
  return later && padding ? tf.add(later, padding) : (later ?? padding)
}

/** The mean over heads and tokens, those of padding left out; rows: (batch, heads, tokens). */
const meanOf = (rows: tf.Tensor, { attended }: Scene['batch']): tf.Scalar => {
  if (!attended) return tf.mean(rows)
  const [batch, heads, tokens] = rows.shape
  const weights = tf.cast(tf.reshape(attended, [batch, 1, tokens]), 'float32')
  return tf.div(tf.sum(tf.mul(rows, weights)), tf.maximum(1, tf.mul(tf.sum(weights), heads)))
}

const sameHeads = (term: string, student: tf.Tensor, teacher: tf.Tensor): void => {
  if (String(student.shape) === String(teacher.shape)) return
  throw new CompressionError(
    'SHAPE',
    `The term "${term}" compares relations [${student.shape}] of the student with [${teacher.shape}] of the teacher.`,
    'Both need as many heads; their sizes and the depths of the networks are free.',
    { term, student: student.shape, teacher: teacher.shape },
  )
}

/** mean KL(A_t ‖ A_s) over heads and tokens, shares (batch, heads, tokens, tokens). Throws SHAPE for other numbers of heads. */
export const sharesDivergence = (term: string, batch: Scene['batch'], student: tf.Tensor, teacher: tf.Tensor): tf.Scalar => {
  sameHeads(term, student, teacher)
  const [logS, logT] = [student, teacher].map(shares => tf.log(tf.maximum(shares, 1e-12)))
  return meanOf(tf.sum(tf.mul(teacher, tf.sub(logT, logS)), -1), batch)
}

/**
 * MiniLM: an attention block looks where the teacher's does, and its values lie to each other as there; widths and depths are free.
 * mean KL(A_t ‖ A_s) + mean KL(R_t ‖ R_s), A the shares, R = softmax(V Vᵀ / √size); means over heads and tokens; A: (batch, heads, tokens, tokens).
 * Throws BAD_OPTION, NOT_FOUND for blocks that are not there, SHAPE for other numbers of heads. Wang et al. 2020, https://arxiv.org/abs/2002.10957
 */
export const miniLm = defineTerm({
  name: 'mini-lm',
  summary: 'looks where the teacher’s attention looks, and relates values as it does',
  paper: {
    title: 'MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers',
    authors: 'Wang et al.',
    year: 2020,
    url: 'https://arxiv.org/abs/2002.10957',
  },
  differs: 'any two blocks may be compared; a teacher assistant is two steps of a pipeline',
  options: {
    student: required(text({ doc: 'the attention module of the student, the last one in the paper: "model.layers.1.self_attn"' })),
    teacher: required(text({ doc: 'that of the teacher' })),
    causal: boolean({ default: false, doc: 'whether tokens see only those before them, as in language models' }),
  },
  make: ({ student: own, teacher: taught, causal }) => ({
    places: { student: [`${own}.shares`, `${own}.values`], teacher: [`${taught}.shares`, `${taught}.values`] },
    loss: ({ batch, student, teacher }) => {
      const shares = student.at(`${own}.shares`)
      const attention = sharesDivergence('mini-lm', batch, shares, teacher.at(`${taught}.shares`))
      const hidden = hiddenOf(shares.shape.at(-1)!, causal, batch)
      const [relations, others] = [student.at(`${own}.values`), teacher.at(`${taught}.values`)].map(v => valueRelations(v, hidden))
      sameHeads('mini-lm', relations, others)
      return tf.add(attention, meanOf(divergenceOfRows(others, relations), batch))
    },
  }),
})
