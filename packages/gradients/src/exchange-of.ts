import type { Exchange } from '@tersor/core'
import { averagePlainly, exchangeCoded, isCoded, valuesOf, type Rule } from './coded-gradients.js'
import type { Collective } from './collective/collective.js'
import type { MessageCodec } from './define-codec.js'
import { greet, meetOnLoss } from './greeting.js'
import { exchangeWithin } from './within.js'

/**
 * Workers give each other their gradients through a codec by a rule. A worker applies what it decoded of its own message, as the others do.
 * Throws PEERS_DIFFER at the first step where workers train something else, NOT_FINITE on all where the loss of one is no number.
 */
export const exchangeOf = (peers: Collective, name: string, codec: MessageCodec, rule: Rule, within?: number): Omit<Exchange, 'name'> => ({
  init: shape => (isCoded(shape) ? rule.init(shape) : {}),
  run: async step => {
    if (step.step === 0) await greet(peers, name, step)
    if (within !== undefined) return exchangeWithin(peers, codec, rule, step, within)
    const loss = await meetOnLoss(peers, step)
    await averagePlainly(peers, valuesOf(step.gradients.filter(({ shape }) => !isCoded(shape))))
    const large = step.gradients.filter(({ shape }) => isCoded(shape))
    if (large.length > 0) await exchangeCoded(peers, () => codec, rule, large, step)
    return { loss }
  },
})
