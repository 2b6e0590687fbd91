import { boolean, fraction, positive, required } from '@tersor/core'
import { solveAnchored } from './anchored.js'
import { checkPromise, codecOption } from './define-exchange.js'
import { defineSolver } from './define-solver.js'

export const mashaPaper = { title: 'Distributed Methods with Compressed Communication for Solving Variational Inequalities, with Theoretical Guarantees', authors: 'Beznosikov et al.', year: 2021, url: 'https://arxiv.org/abs/2110.03313' } as const // prettier-ignore

/** What both methods take besides their codec. */
export const mashaOptions = {
  rate: required(positive({ doc: 'γ: with the root of refresh in it, about √refresh / L, and smaller the more a codec leaves out' })),
  refresh: required(fraction({ doc: '1 − τ: how often the anchor moves, about the part of a message that the codec sends', inclusive: true })), // prettier-ignore
  batches: boolean({ default: false, doc: 'whether operators depend on the step: the anchor’s is asked for anew in each then' }),
} as const

export const checkRefresh = ({ refresh }: { readonly refresh: number }): readonly [string, string] | undefined =>
  refresh > 0 ? undefined : ['a refresh of 0 never moves the anchor.', 'Pass a part above 0, such as the density of the codec.']

/**
 * MASHA1: extragradient around an anchor w with known F(w), of which unbiased messages travel, up and down: z̄ = τ z + (1 − τ) w,
 * z½ = prox(z̄ − γ F(w)), z ← prox(z̄ − γ (F(w) + Q(mean Q(Fₘ(z½) − Fₘ(w))))), and with probability 1 − τ, w ← z and F(w) travels as it is.
 * Bytes a step: a message and a byte up, as much down, and (1 − τ) of a sum. With Q exact and τ = 0 it is extragradient.
 * Throws BAD_OPTION; COMPOSITION for a contractive codec. Beznosikov et al. 2021, https://arxiv.org/abs/2110.03313
 */
export const masha1 = defineSolver({
  name: 'masha1',
  summary: 'finds saddle points by unbiased messages about what operators changed by',
  paper: mashaPaper,
  differs: 'the first worker is the server; in the style of the paper, whose code is not known',
  options: { codec: required(codecOption<'exact' | 'unbiased'>('what makes changes small enough to be sent, exact or unbiased')), ...mashaOptions }, // prettier-ignore
  check: checkRefresh,
  make: (peers, { codec, ...how }, name) => {
    checkPromise('masha1', codec, ['exact', 'unbiased'])
    return problem => solveAnchored(peers, name, { codec, ...how, feedback: false }, problem)
  },
})
