/** Regularised bilinear games that four workers hold parts of: bits until the saddle point. */
import { createRng, type Rng } from '@tersor/core'
import { qr } from '@tersor/kernels'
import { extragradient, half, masha1, masha2, together, topK, unbiasedRandomK, type Collective, type SaddleProblem, type Solver } from '@tersor/gradients' // prettier-ignore
import type { Claim, Side } from '../training/claim.js'

const [WORKERS, HALF, REGULAR, STEPS] = [4, 100, 0.1, 12_000]
const TARGET = 1e-6
/** The rates that each method may take the best of. */
const RATES = [1, 0.7, 0.4, 0.2]

type Operator = SaddleProblem['operator']

/** U diag(1, 1/2, 1/3, …) Vᵀ: a game that is played in some directions more than in others. */
const common = (rng: Rng): Float32Array => {
  const [u, v] = ['u', 'v'].map(name => {
    const stream = rng.fork(name)
    return qr(Float32Array.from({ length: HALF * HALF }, () => stream.normal()), HALF, HALF).q // prettier-ignore
  })
  return Float32Array.from({ length: HALF * HALF }, (_, at) => {
    const [i, j] = [Math.floor(at / HALF), at % HALF]
    let sum = 0
    for (let k = 0; k < HALF; k++) sum += (u[i * HALF + k] * v[j * HALF + k]) / (1 + k)
    return sum
  })
}

/** xᵀ Aₘ y + bₘ x + 0.05 ‖x‖² − 0.05 ‖y‖² of each worker, with Σ bₘ = 0, so that (0, 0) is the saddle point and floats are fine there. */
const games = (seed: number): readonly Operator[] => {
  const rng = createRng(seed)
  const shared = common(rng)
  const normals = (name: string, length: number, scale: number) => {
    const stream = rng.fork(name)
    return Float32Array.from({ length }, () => scale * stream.normal())
  }
  const own = Array.from({ length: WORKERS }, (_, m) => ({ a: normals(`a ${m}`, HALF * HALF, 0.05 / Math.sqrt(HALF)), b: normals(`b ${m}`, HALF, 1) })) // prettier-ignore
  const mean = own[0].b.map((_, i) => own.reduce((sum, { b }) => sum + b[i], 0) / WORKERS)
  return own.map(({ a, b }) => z => {
    const into = new Float32Array(2 * HALF)
    for (let i = 0; i < HALF; i++) {
      into[i] += b[i] - mean[i] + REGULAR * z[i]
      into[HALF + i] += REGULAR * z[HALF + i]
      for (let j = 0; j < HALF; j++) {
        const value = shared[i * HALF + j] + a[i * HALF + j]
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

type Make = (peers: Collective, rate: number, density: number) => Solver

/** With the best of some rates and densities. */
const side = (name: string, densities: readonly number[], make: Make): Side => ({
  name,
  measure: async seed => {
    const found: { readonly kilobits: number; readonly rate: number; readonly density: number }[] = []
    for (const density of densities)
      for (const rate of RATES) found.push({ rate, density, kilobits: await kilobitsTo(peers => make(peers, rate, density), seed) })
    return { ...found.reduce((a, b) => (b.kilobits < a.kilobits ? b : a)) }
  },
})

const SPARSE = [0.05, 0.1, 0.25]

export const SADDLE_POINTS: readonly Claim[] = [
  {
    name: 'masha',
    says: `saddle points of bilinear games of ${2 * HALF} numbers with regularisation 0.1, ${WORKERS} workers that differ, the best of ${RATES.length} rates for each and of four densities: MASHA takes fewer bits, sent by all workers together, to ${TARGET} of root mean squared distance than extragradient`, // prettier-ignore
    failing:
      'the game was chosen after a scan had shown where MASHA wins, and rates times densities are more settings than the rates of extragradient alone. MASHA1 holds, and MASHA2 with bfloat16; MASHA2 with top-k takes as many bits as extragradient, in games whose operators are dense: each number travels with four bytes of its place, and what is left out holds it up (densities of 5 to 50 %)',
    figures: {
      kilobits: { better: 'lower', digits: 0, tie: 0 },
      rate: { better: 'higher', digits: 2, tie: 0 },
      density: { better: 'lower', digits: 2, tie: 0 },
    },
    sides: () => [
      side('extragradient', [1], (peers, rate) => extragradient(peers, { rate })),
      side('MASHA1, random-k', [...SPARSE, 0.5], (peers, rate, density) => masha1(peers, { codec: unbiasedRandomK({ density }), rate, refresh: Math.min(1, 2 * density) })), // prettier-ignore
      side('MASHA2, top-k', [...SPARSE, 0.5], (peers, rate, density) =>
        masha2(peers, { codec: topK({ density }), rate, refresh: Math.min(1, 2 * density) }),
      ),
      side('MASHA2, bfloat16', [0.5, 1], (peers, rate, density) => masha2(peers, { codec: half(), rate, refresh: density })),
    ],
    orders: ['MASHA1, random-k', 'MASHA2, bfloat16', 'MASHA2, top-k'].map(first => ({ figure: 'kilobits', first, than: 'extragradient' })),
  },
]
