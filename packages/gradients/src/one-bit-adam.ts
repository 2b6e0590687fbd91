import { fraction, integer, positive, required, type ExchangedGradient } from '@tersor/core'
import {
  addInto,
  addScaled,
  decayInto,
  decaySquares,
  overRoots,
  packSigns,
  subtractFrom,
  sumOfSquares,
  unpackSigns,
} from '@tersor/kernels/vectors'
import { CompressionError, sizeOf } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import { defineExchange } from './define-exchange.js'
import { averagePlainly, isCoded, valuesOf } from './coded-gradients.js'
import { greet, meetOnLoss } from './greeting.js'
import { joined } from './message.js'

/** Where the part of one worker begins: whole bytes of signs. */
const startOf = (length: number, size: number, rank: number): number =>
  Math.min(length, 8 * Math.floor((Math.ceil(length / 8) * rank) / size))

const chunkOf = (values: Float32Array, size: number, rank: number): Float32Array =>
  values.subarray(startOf(values.length, size, rank), startOf(values.length, size, rank + 1))

/** Signs and ‖p‖ / √n; what they leave out stays in p. */
const toSigns = (p: Float32Array, parts: readonly Float32Array[]): readonly Uint8Array[] => {
  const size = Math.fround(Math.sqrt(sumOfSquares(p) / Math.max(1, p.length)))
  return parts.map(part => {
    const bits = packSigns(part)
    const decoded = new Float32Array(part.length)
    unpackSigns(bits, size, decoded)
    subtractFrom(part, decoded)
    const bytes = new Uint8Array(4 + bits.length)
    new DataView(bytes.buffer).setFloat32(0, size, true)
    bytes.set(bits, 4)
    return bytes
  })
}

const fromSigns = (bytes: Uint8Array, into: Float32Array): void =>
  unpackSigns(bytes.subarray(4), new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true), into)

/** Signs of so many numbers with their size, one piece behind the other. */
const split = (bytes: Uint8Array, lengths: readonly number[]): readonly Uint8Array[] => {
  let at = 0
  return lengths.map(length => bytes.subarray(at, (at += 4 + Math.ceil(length / 8))))
}

/**
 * The mean of all momenta by signs, twice: each worker sends its part of p = m + e to the worker that averages it, which sends the signs of the
 * average, with an error of its own, to all.
 */
const averageBySigns = async (peers: Collective, large: readonly ExchangedGradient[]): Promise<void> => {
  const { rank, size } = peers
  const perTensor = large.map(({ state: { mean, error } }) => {
    addInto(error, mean)
    return toSigns(
      error,
      Array.from({ length: size }, (_, worker) => chunkOf(error, size, worker)),
    )
  })
  const got = await peers.spread(Array.from({ length: size }, (_, worker) => joined(perTensor.map(parts => parts[worker]))))
  const own = large.map(({ state: { mean } }) => chunkOf(mean, size, rank))
  const lengths = own.map(({ length }) => length)
  own.forEach(chunk => chunk.fill(0))
  for (const bytes of got)
    split(bytes, lengths).forEach((piece, i) => {
      const one = new Float32Array(lengths[i])
      fromSigns(piece, one)
      addScaled(own[i], one, 1 / size)
    })
  const pieces = large.map(({ state: { serverError } }, i) => {
    addInto(serverError, own[i])
    return toSigns(serverError, [serverError])[0]
  })
  const all = await peers.gather(joined(pieces))
  all.forEach((bytes, worker) => {
    const chunks = large.map(({ state: { mean } }) => chunkOf(mean, size, worker))
    split(bytes!, chunks.map(({ length }) => length)).forEach((piece, i) => fromSigns(piece, chunks[i])) // prettier-ignore
  })
}

const moveMoments = ({ values, state: { mean, square } }: ExchangedGradient, beta1: number, beta2: number): void => {
  decayInto(mean, beta1, values, 1 - beta1)
  decaySquares(square, beta2, values)
}

/**
 * 1-bit Adam: Adam on averaged gradients until `freeze`; from then on variances stand still, each worker moves its own momentum
 * m ← β₁ m + (1 − β₁) gᵢ, and the mean of all momenta, as signs with one size a tensor, takes its place. What all apply is m / (√v + ε), so plain
 * `sgd` stands behind it. n / 8 bytes up and as many down. No bias correction, as the authors' code. Vectors and small tensors are averaged
 * plainly, and their variances go on. State: m, v, the worker's error (n each), the averager's (n / N).
 * Throws BAD_OPTION; COMPOSITION for a transform with momentum of its own. Tang et al. 2021, https://arxiv.org/abs/2102.02888
 */
export const oneBitAdam = defineExchange({
  name: 'one-bit-adam',
  summary: 'is Adam whose momenta travel as signs once its variances are learned',
  paper: { title: '1-bit Adam: Communication Efficient Large-Scale Training with Adam’s Convergence Speed', authors: 'Tang et al.', year: 2021, url: 'https://arxiv.org/abs/2102.02888' }, // prettier-ignore
  options: {
    freeze: required(integer({ min: 1, doc: 'the first step whose momenta travel as signs; until then gradients travel as they are, and variances are learned' })), // prettier-ignore
    beta1: fraction({ default: 0.9, doc: 'decay of the mean of gradients' }),
    beta2: fraction({ default: 0.999, doc: 'decay of the mean of squared gradients' }),
    epsilon: positive({ default: 1e-8, doc: 'added to the root of the variance' }),
  },
  make: (peers, { freeze, beta1, beta2, epsilon }, name) => ({
    check: (_trained, { name: transform, hasMomentum }) => {
      if (!hasMomentum) return
      throw new CompressionError('COMPOSITION', `one-bit-adam is an optimiser of its own, and ${transform} would be a second one.`, 'Train with sgd({ learningRate }) behind it.', { transform }) // prettier-ignore
    },
    init: shape => {
      const n = sizeOf(shape)
      const moments = { mean: new Float32Array(n), square: new Float32Array(n) }
      const chunk = startOf(n, peers.size, peers.rank + 1) - startOf(n, peers.size, peers.rank)
      return isCoded(shape) ? { ...moments, error: new Float32Array(n), serverError: new Float32Array(chunk) } : moments
    },
    run: async step => {
      if (step.step === 0) await greet(peers, name, step)
      const loss = await meetOnLoss(peers, step)
      const isFrozen = ({ shape }: ExchangedGradient): boolean => step.step >= freeze && isCoded(shape)
      const others = step.gradients.filter(gradient => !isFrozen(gradient))
      await averagePlainly(peers, valuesOf(others))
      others.forEach(gradient => moveMoments(gradient, beta1, beta2))
      const large = step.gradients.filter(isFrozen)
      large.forEach(({ values, state: { mean } }) => decayInto(mean, beta1, values, 1 - beta1))
      if (large.length > 0) await averageBySigns(peers, large)
      step.gradients.forEach(({ values, state: { mean, square } }) => overRoots(mean, square, epsilon, values))
      return { loss }
    },
  }),
})
