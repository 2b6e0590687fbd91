/** Regularised bilinear games that four workers hold parts of: bits until the saddle point. */
import { createRng, type Rng } from '@tersor/core'
import { extragradient, masha1, masha2, plain, together, topK, unbiasedRandomK, type Collective, type SaddleProblem, type Solver } from '@tersor/gradients' // prettier-ignore
import type { Claim, Side } from '../training/claim.js'

const [WORKERS, HALF, REGULAR, STEPS] = [4, 100, 0.1, 12_000]
const TARGET = 1e-6
/** The rates that each method may take the best of. */
const RATES = [1, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05]

type Operator = SaddleProblem['operator']

/** xᵀ Aₘ y + bₘ x + 0.05 ‖x‖² − 0.05 ‖y‖² of each worker, with Σ bₘ = 0, so that (0, 0) is the saddle point and floats are fine there. */
const games = (seed: number): readonly Operator[] => {
  const rng = createRng(seed)
  const normals = (stream: Rng, length: number, scale: number) => Float32Array.from({ length }, () => scale * stream.normal())
  const common = normals(rng.fork('common'), HALF * HALF, 0.5 / Math.sqrt(HALF))
  const own = Array.from({ length: WORKERS }, (_, m) => ({ a: normals(rng.fork(`a ${m}`), HALF * HALF, 0.2 / Math.sqrt(HALF)), b: normals(rng.fork(`b ${m}`), HALF, 1) })) // prettier-ignore
  const mean = own[0].b.map((_, i) => own.reduce((sum, { b }) => sum + b[i], 0) / WORKERS)
  return own.map(({ a, b }) => z => {
    const into = new Float32Array(2 * HALF)
    for (let i = 0; i < HALF; i++) {
      into[i] += b[i] - mean[i] + REGULAR * z[i]
      into[HALF + i] += REGULAR * z[HALF + i]
      for (let j = 0; j < HALF; j++) {
        const value = common[i * HALF + j] + a[i * HALF + j]
        into[i] += value * z[HALF + j]
        into[HALF + j] -= value * z[i]
      }
    }
    return into
  })
}

const distanceOf = (z: Float32Array): number => Math.sqrt(z.reduce((sum, value) => sum + value * value, 0) / z.length)

/** What all workers had sent when z was as near as that; nothing where it did not come there. */
const kilobitsTo = async (make: (peers: Collective) => Solver, seed: number): Promise<number> => {
  const operators = games(seed)
  const reached: (number | undefined)[] = Array.from({ length: WORKERS })
  const stop = new AbortController()
  await together(WORKERS, async peers => {
    const onStep = (_step: number, z: Float32Array): void => {
      const distance = distanceOf(z)
      if (distance < TARGET) reached[peers.rank] ??= peers.traffic.sent
      if (distance > 1e3 || Number.isNaN(distance) || reached.every(sent => sent !== undefined)) stop.abort(new Error('enough'))
    }
    const start = new Float32Array(2 * HALF).fill(1)
    await make(peers).solve({ operator: operators[peers.rank], start, steps: STEPS, rng: createRng(seed), onStep, signal: stop.signal })
  }).catch((error: Error) => {
    if (error.message !== 'enough' && !error.message.includes('is no number')) throw error
  })
  return reached.every(sent => sent !== undefined) ? (8 * reached.reduce((sum: number, sent) => sum + sent!, 0)) / 1000 : Infinity
}

/** With the best of some rates, by the first seed's game. */
const side = (name: string, make: (peers: Collective, rate: number) => Solver): Side => ({
  name,
  measure: async seed => {
    const found = []
    for (const rate of RATES) found.push({ rate, kilobits: await kilobitsTo(peers => make(peers, rate), seed) })
    const best = found.reduce((a, b) => (b.kilobits < a.kilobits ? b : a))
    return { kilobits: best.kilobits, rate: best.rate }
  },
})

export const SADDLE_POINTS: readonly Claim[] = [
  {
    name: 'masha',
    says: `saddle points of bilinear games of ${2 * HALF} numbers with regularisation 0.1, four workers that differ, the best of ${RATES.length} rates for each: MASHA takes fewer bits to ${TARGET} of root mean squared distance than extragradient`, // prettier-ignore
    figures: { kilobits: { better: 'lower', digits: 0, tie: 0 }, rate: { better: 'higher', digits: 2, tie: 0 } },
    sides: () => [
      side('extragradient', (peers, rate) => extragradient(peers, { rate })),
      side('MASHA1, random-k of 5 %', (peers, rate) => masha1(peers, { codec: unbiasedRandomK({ density: 0.05 }), rate, refresh: 0.05 })),
      side('MASHA2, top-k of 5 %', (peers, rate) => masha2(peers, { codec: topK({ density: 0.05 }), rate, refresh: 0.05 })),
      side('MASHA2, uncompressed', (peers, rate) => masha2(peers, { codec: plain(), rate, refresh: 0.5 })),
    ],
    orders: [
      { figure: 'kilobits', first: 'MASHA1, random-k of 5 %', than: 'extragradient' },
      { figure: 'kilobits', first: 'MASHA2, top-k of 5 %', than: 'extragradient' },
    ],
  },
]
