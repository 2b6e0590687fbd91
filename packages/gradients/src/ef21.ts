import { required } from '@tersor/core'
import { checkPromise, codecOption, defineExchange } from './define-exchange.js'
import { exchangeOf } from './exchange-of.js'
import { toldChanges } from './told-changes.js'

/**
 * EF21: workers send what their gradient changed by, hᵢ ← hᵢ + C(gᵢ − hᵢ), and all apply the mean h, which comes to rest where the gradients
 * do, however different the workers' data are. State: hᵢ and h (n each). h begins at 0.
 * Throws BAD_OPTION; COMPOSITION for an unbiased codec. Richtárik et al. 2021, https://arxiv.org/abs/2106.05203
 */
export const ef21 = defineExchange({
  name: 'ef21',
  summary: 'sends what gradients changed by',
  paper: { title: 'EF21: A New, Simpler, Theoretically Better, and Practically Faster Error Feedback', authors: 'Richtárik et al.', year: 2021, url: 'https://arxiv.org/abs/2106.05203' }, // prettier-ignore
  differs: 'what all have told begins at 0 and not at a first gradient sent whole',
  options: { codec: required(codecOption<'exact' | 'contractive'>('what makes changes small enough to be sent, exact or contractive')) },
  make: (peers, { codec }, name) => {
    checkPromise('ef21', codec, ['exact', 'contractive'])
    return exchangeOf(peers, name, codec, toldChanges(0))
  },
})
