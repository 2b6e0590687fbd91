import { required } from '@tersor/core'
import { codecOption, defineExchange, withinOption } from './define-exchange.js'
import type { Promised } from './define-codec.js'
import { WITHOUT_FEEDBACK } from './coded-gradients.js'
import { exchangeOf } from './exchange-of.js'

/** Workers apply the mean of what their codec made of their gradients: x ← x − γ (1/N) Σ C(gᵢ). What it leaves out is lost. Throws BAD_OPTION. */
export const exchanged = defineExchange({
  name: 'exchanged',
  summary: 'applies the mean of what codecs made of gradients',
  options: { codec: required(codecOption<Promised>('what makes gradients small enough to be sent')), within: withinOption },
  make: (peers, { codec, within }, name) => exchangeOf(peers, name, codec, WITHOUT_FEEDBACK, within),
})
