import { required } from '@tersor/core'
import { addInto, subtractFrom } from '@tersor/kernels/vectors'
import { sizeOf } from '@tersor/tensor'
import { checkPromise, codecOption, defineExchange, withinOption } from './define-exchange.js'
import type { Rule } from './coded-gradients.js'
import { exchangeOf } from './exchange-of.js'

/** p = g + e is encoded, and e ← p − C(p). */
export const WITH_FEEDBACK: Rule = Object.freeze<Rule>({
  init: shape => ({ error: new Float32Array(sizeOf(shape)) }),
  before: (gradient, { error }) => {
    addInto(error, gradient)
    return error
  },
  sent: (encoded, decoded) => subtractFrom(encoded, decoded),
  behind: () => {},
  missed: (decoded, { error }) => addInto(error, decoded),
})

/**
 * Error feedback: what a codec left out is added to the next gradient, p = g + e, e ← p − C(p), so that nothing is lost: Σ sent + e = Σ g.
 * State: e (n) a worker. Throws BAD_OPTION; COMPOSITION for an unbiased codec, whose error does not get smaller.
 * Karimireddy et al. 2019, https://arxiv.org/abs/1901.09847
 */
export const errorFeedback = defineExchange({
  name: 'error-feedback',
  summary: 'adds what a codec left out to the next gradient',
  paper: { title: 'Error Feedback Fixes SignSGD and other Gradient Compression Schemes', authors: 'Karimireddy et al.', year: 2019, url: 'https://arxiv.org/abs/1901.09847' }, // prettier-ignore
  options: {
    codec: required(codecOption<'exact' | 'contractive'>('what makes gradients small enough to be sent, exact or contractive')),
    within: withinOption,
  },
  make: (peers, { codec, within }, name) => {
    checkPromise('error-feedback', codec, ['exact', 'contractive'])
    return exchangeOf(peers, name, codec, WITH_FEEDBACK, within)
  },
})
