import { fraction, integer, optional, positive, type ExchangedGradient, type ExchangeStep } from '@tersor/core'
import { addInto, scale, sumOfSquares } from '@tersor/kernels/vectors'
import { CompressionError, sizeOf } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import { defineExchange } from './define-exchange.js'
import { averageMessages, averagePlainly, isCoded, valuesOf } from './coded-gradients.js'
import { greet, meetOnLoss } from './greeting.js'
import { integersOf } from './message.js'
import { topK } from './top-k.js'

const STAGES = 4

/** d^((e + 1) / (W + 1)) in stage e of W: 25 %, 6.3 %, 1.6 %, 0.4 % on the way to 0.1 %. */
export const densityAt = (step: number, density: number, warmup: number): number => {
  if (step >= warmup) return density
  return density ** ((Math.floor((STAGES * step) / warmup) + 1) / (STAGES + 1))
}

/** Keeps ‖all gradients of this worker‖ below a limit, before they are summed up. */
const clipLocally = (gradients: readonly ExchangedGradient[], limit: number): void => {
  const norm = Math.sqrt(gradients.reduce((sum, { values }) => sum + sumOfSquares(values), 0))
  if (norm > limit) gradients.forEach(({ values }) => scale(values, limit / norm))
}

/** u ← m u + g, v ← v + u; v is what waits to be sent. */
const accumulate = ({ values, state: { velocity, waiting } }: ExchangedGradient, momentum: number): void => {
  scale(velocity, momentum)
  addInto(velocity, values)
  addInto(waiting, velocity)
}

/** Momentum over the mean. */
const moveSmall = ({ values, state: { velocity } }: ExchangedGradient, momentum: number): void => {
  scale(velocity, momentum)
  addInto(velocity, values)
  values.set(velocity)
}

/** The mean of the largest numbers that wait on each worker, which are forgotten where they were sent. */
const sendLargest = async (
  peers: Collective,
  large: readonly ExchangedGradient[],
  { step, rng }: ExchangeStep,
  density: number,
): Promise<void> => {
  const codec = topK({ density })
  const context = { step, common: rng, own: rng }
  const messages = await Promise.all(large.map(({ state, shape }) => codec.encode(state.waiting, shape, context)))
  messages.forEach(({ places }, i) => {
    const { velocity, waiting } = large[i].state
    integersOf(places).forEach(place => (velocity[place] = waiting[place] = 0))
  })
  await averageMessages(
    peers,
    messages.map((message, i) => ({ gradient: large[i], codec, context, message })),
  )
}

/**
 * Deep Gradient Compression: each worker sums up the steps of its own momentum, u ← m u + g and v ← v + u, sends the largest numbers of v with
 * their places, and forgets u and v there; what stands behind is plain `sgd`, since momentum is done. Vectors and small tensors are averaged,
 * and their momentum follows. 8 density · n bytes to each worker. State: u, v (n each).
 * Throws BAD_OPTION; COMPOSITION for a transform with momentum of its own.
 * Lin et al. 2017, https://arxiv.org/abs/1712.01887.
 */
export const dgc = defineExchange({
  name: 'dgc',
  summary: 'sums up momentum on each worker, and sends the largest numbers of it',
  paper: { title: 'Deep Gradient Compression: Reducing the Communication Bandwidth for Distributed Training', authors: 'Lin et al.', year: 2017, url: 'https://arxiv.org/abs/1712.01887' }, // prettier-ignore
  differs: 'the largest numbers are found exactly, not by a sample',
  options: {
    density: fraction({ default: 0.001, doc: 'part of the numbers that is sent behind the warm-up', inclusive: true }),
    momentum: fraction({ default: 0.9, doc: 'of the velocity' }),
    warmup: integer({ min: 0, default: 0, doc: 'steps over which the density falls, in four stages' }),
    clip: optional(positive({ doc: 'the largest norm of all gradients of a worker, √N times too large for one; none where absent' })),
  },
  check: ({ density }) => (density > 0 ? undefined : ['a density of 0 leaves nothing.', 'Pass a part above 0, such as 0.001.']),
  make: (peers, { density, momentum, warmup, clip }, name) => ({
    check: (_trained, { name: transform, hasMomentum }) => {
      if (!hasMomentum) return
      throw new CompressionError('COMPOSITION', `dgc has momentum of its own, and ${transform} would count it twice.`, 'Train with sgd({ learningRate }) behind it.', { transform }) // prettier-ignore
    },
    init: shape => ({ velocity: new Float32Array(sizeOf(shape)), ...(isCoded(shape) && { waiting: new Float32Array(sizeOf(shape)) }) }),
    run: async step => {
      if (step.step === 0) await greet(peers, name, step)
      const loss = await meetOnLoss(peers, step)
      if (clip !== undefined) clipLocally(step.gradients, clip / Math.sqrt(peers.size))
      const small = step.gradients.filter(({ shape }) => !isCoded(shape))
      await averagePlainly(peers, valuesOf(small))
      small.forEach(gradient => moveSmall(gradient, momentum))
      const large = step.gradients.filter(({ shape }) => isCoded(shape))
      large.forEach(gradient => accumulate(gradient, momentum))
      if (large.length > 0) await sendLargest(peers, large, step, densityAt(step.step, density, warmup))
      return { loss }
    },
  }),
})
