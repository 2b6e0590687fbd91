/** What the link table compares. */
import type { Exchange } from '@tersor/core'
import { dgc, errorFeedback, exchanged, fedZip, half, lGreco, oneBitAdam, plain, powerSgd, qsgd, randomK, sign, ternGrad, topK, unbiasedRandomK, type Collective } from '@tersor/gradients' // prettier-ignore

const density = 0.01
const densities = [0.002, 0.005, 0.02, 0.05].map(each => topK({ density: each }))

export const LINK_EXCHANGES: Readonly<Record<string, (peers: Collective) => Exchange>> = {
  dense: peers => exchanged(peers, { codec: plain() }),
  half: peers => exchanged(peers, { codec: half() }),
  'top-k 1 %': peers => errorFeedback(peers, { codec: topK({ density }) }),
  'random-k 1 %': peers => errorFeedback(peers, { codec: randomK({ density }) }),
  'unbiased random-k 1 %': peers => exchanged(peers, { codec: unbiasedRandomK({ density }) }),
  sign: peers => errorFeedback(peers, { codec: sign() }),
  QSGD: peers => exchanged(peers, { codec: qsgd() }),
  TernGrad: peers => exchanged(peers, { codec: ternGrad() }),
  FedZip: peers => errorFeedback(peers, { codec: fedZip() }),
  'PowerSGD rank 4': peers => powerSgd(peers, { rank: 4, start: 0 }),
  'L-GreCo top-k': peers => lGreco(peers, { codec: topK({ density }), codecs: densities, start: 0, first: 1 }),
  'DGC 0.1 %': peers => dgc(peers, { density: 0.001 }),
  '1-bit Adam': peers => oneBitAdam(peers, { freeze: 1 }),
}
