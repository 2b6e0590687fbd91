import * as tf from '@tensorflow/tfjs-core'
import { answersOf, sitesOf, walkBack, type Model, type Site } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { checkRead } from './check-read.js'
import { readingsAt, readingsOf } from './input-norms.js'
import { LABELS } from './labels.js'
import { relevanceProduct } from './relevance.js'
import { meanOfMembers, toUnits } from './summed-scores.js'
import { defineUnitScore } from './unit-score.js'

/** 1 for the right answer of each row and 0 elsewhere: times the output it is the right logit; output: (…, classes). */
const rightOnes = (target: tf.Tensor, output: tf.Tensor): tf.Tensor =>
  tf.reshape(tf.cast(tf.oneHot(tf.reshape(target, [-1]) as tf.Tensor1D, output.shape.at(-1)!), 'float32'), output.shape)

/** Σ |R| over samples and positions, (columns) by site; R: (…, columns). */
const columnSums = () => {
  const sums = new Map<string, tf.Tensor>()
  return {
    of: ({ name }: Site): tf.Tensor | undefined => sums.get(name),
    add: ({ name }: Site, relevance: tf.Tensor): void => {
      const columns = tf.sum(tf.abs(tf.reshape(relevance, [-1, relevance.shape.at(-1)!])), 0)
      const before = sums.get(name)
      sums.set(name, tf.keep(before ? tf.add(before, columns) : columns))
      before?.dispose()
    },
    dispose: (): void => sums.forEach(sum => sum.dispose()),
  }
}

const unseen = (step: string, site: string): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${step} follows relevance, and "${site}" multiplies by itself.`,
    'Let its stage multiply by siteProduct, or use unit-norm, unit-activation or unit-taylor.',
    { step, site },
  )

/** The sites among some that nothing was seen of; throws UNSUPPORTED for the first. */
const checkSeen = (step: string, model: Model, isWanted: (site: Site) => boolean, isSeen: (site: Site) => boolean): void => {
  const missing = sitesOf(model).find(site => isWanted(site) && !isSeen(site))
  if (missing) throw unseen(step, missing.name)
}

/**
 * Scores units by how much of the right answer flows through them: layer-wise relevance propagation.
 * R = logit of the right answer, 0 for all others; R_j = Σ_k (w_kj x_j)⁺ R_k / Σ_i (w_ki x_i)⁺ at every site, R = x · gradient in between;
 * s_u = Σ over samples and positions of |R_u| where unit u is read, the mean over the layers that read it.
 * x: (…, in), W: (out, in), w with the norm behind it. Throws BAD_OPTION, NO_CALIBRATION; BAD_DATA for labels that do not fit; UNSUPPORTED for
 * units that no layer reads, stages that multiply by themselves or through which no gradients pass, and hidden states.
 * Yeom et al. 2019, https://arxiv.org/abs/1912.08881
 */
export const unitRelevance = defineUnitScore({
  name: 'unit-relevance',
  summary: 'scores units by how much of the right answer flows through them, which compares units of all layers as they are',
  paper: {
    title: 'Pruning by Explaining: A Novel Criterion for Deep Neural Network Pruning',
    authors: 'Yeom et al.',
    year: 2019,
    url: 'https://arxiv.org/abs/1912.08881',
  },
  differs:
    'one rule at all layers, the head too; what a bias or a norm adds counts as made by the inputs; attention, gates and norms of transformers keep their own gradients, through which relevance is not conserved',
  options: { labels: LABELS },
  make: ({ labels }) => ({
    comparable: true,
    of: async ({ step, model, couplings, context }) => {
      checkRead(model, couplings)
      const readings = readingsOf(couplings)
      const isRead = (site: Site): boolean => readingsAt(readings, site).length > 0
      const answers = answersOf(model, step, labels)
      const begin = (input: tf.Tensor, output: tf.Tensor): tf.Tensor => rightOnes(answers.of(input, output), output)
      const until = model.stages.findIndex(({ sites }) => sites.some(isRead))
      const seen = columnSums()
      const product = relevanceProduct((site, relevance) => isRead(site) && seen.add(site, relevance))
      const mean = meanOfMembers(couplings)
      try {
        await walkBack(model, step, context, { begin, begun: answers.end, until }, ({ pull }) => pull([], undefined, product))
        checkSeen(step, model, isRead, site => seen.of(site) !== undefined)
        for (const site of sitesOf(model).filter(isRead)) {
          const columns = await seen.of(site)!.data()
          for (const { coupling, member } of readingsAt(readings, site))
            mean.add(coupling, toUnits(columns, member, couplings[coupling].units))
        }
      } finally {
        seen.dispose()
      }
      return mean.all()
    },
  }),
})
