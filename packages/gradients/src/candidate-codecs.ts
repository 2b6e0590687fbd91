import type { ExchangedGradient } from '@tersor/core'
import { subtractFrom, sumOfSquares } from '@tersor/kernels/vectors'
import type { Candidates, Measured } from './candidates.js'
import type { Collective } from './collective/collective.js'
import type { Codec, EncodeContext } from './define-codec.js'
import { WITH_FEEDBACK } from './error-feedback.js'
import { exchangeCoded, isCoded, WITHOUT_FEEDBACK } from './coded-gradients.js'
import { packMessages } from './message.js'

/** ‖C(x) − x‖² and the bytes of the message. */
const measured = async (codec: Codec, { values, shape }: ExchangedGradient, context: EncodeContext) => {
  const message = await codec.encode(values, shape, context)
  const bytes = packMessages([message], [codec.layout(shape)]).byteLength
  const decoded = new Float32Array(values.length)
  codec.decode(message, shape, decoded, context)
  subtractFrom(decoded, values)
  return { error: sumOfSquares(decoded), size: bytes }
}

/** Codecs of which each layer has one, the first where none is chosen yet; with error feedback unless one of them is unbiased. */
export const candidateCodecs = (peers: Collective, codecs: readonly Codec[]): Candidates => {
  const rule = codecs.some(({ promises }) => promises === 'unbiased') ? WITHOUT_FEEDBACK : WITH_FEEDBACK
  return {
    takes: isCoded,
    init: shape => rule.init(shape),
    measure: async (gradient, context) => {
      const all: Measured[] = []
      for (const codec of codecs) all.push(await measured(codec, gradient, context))
      return all
    },
    changed: () => {},
    exchange: (gradients, step) => exchangeCoded(peers, ({ state }) => codecs[state.choice[0]], rule, gradients, step),
  }
}
