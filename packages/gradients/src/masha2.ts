import { required } from '@tersor/core'
import { solveAnchored } from './anchored.js'
import { checkPromise, codecOption } from './define-exchange.js'
import { defineSolver } from './define-solver.js'
import { checkRefresh, mashaOptions, mashaPaper } from './masha1.js'

/**
 * MASHA2: MASHA1 for contractive codecs, with error feedback on workers and on the first, which averages: C(γ (Fₘ(z½) − Fₘ(w)) + eₘ) travels, and eₘ
 * keeps what it leaves out. State: eₘ (n) a worker, and one more on the first. Throws BAD_OPTION; COMPOSITION for an unbiased codec.
 * Beznosikov et al. 2021, https://arxiv.org/abs/2110.03313
 */
export const masha2 = defineSolver({
  name: 'masha2',
  summary: 'finds saddle points by contractive messages about what operators changed by, with error feedback',
  paper: mashaPaper,
  differs: 'the first worker is the server; in the style of the paper, whose code is not known',
  options: { codec: required(codecOption<'exact' | 'contractive'>('what makes changes small enough to be sent, exact or contractive')), ...mashaOptions }, // prettier-ignore
  check: checkRefresh,
  make: (peers, { codec, ...how }, name) => {
    checkPromise('masha2', codec, ['exact', 'contractive'])
    return problem => solveAnchored(peers, name, { codec, ...how, feedback: true }, problem)
  },
})
