import type { ExchangeStep, Rng } from '@tersor/core'
import { addInto, addScaled, scale, subtractFrom } from '@tersor/kernels/vectors'
import { CompressionError, finiteRange } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import type { EncodeContext, MessageCodec } from './define-codec.js'
import type { SaddleProblem } from './define-solver.js'
import { greet } from './greeting.js'
import { joined, packMessages, unpackMessages } from './message.js'

/** What an extragradient step around an anchor is made of. */
export interface Anchored {
  readonly codec: MessageCodec
  readonly rate: number
  /** 1 − τ: how often the anchor moves, and how much of it a step begins with. */
  readonly refresh: number
  /** Whether operators depend on the step: the anchor's is asked for anew in each then. */
  readonly batches: boolean
  /** Whether messages are of γ d and have error feedback, on workers and on the first, which averages. */
  readonly feedback: boolean
}

const notFinite = (step: number, rank: number): CompressionError =>
  new CompressionError('NOT_FINITE', `In step ${step + 1} the operator is no number on worker ${rank}.`, 'Take a smaller rate, or look at the data of that worker.', { step, rank }) // prettier-ignore

/** The mean over all workers in the place of the values; throws NOT_FINITE on all where those of one are no numbers. */
export const averageOperator = async (peers: Collective, values: Float32Array, step: number): Promise<void> => {
  const own = finiteRange(values).bad
  await peers.sum(values)
  if (finiteRange(values).bad >= 0) {
    const all = await peers.gather(Uint8Array.of(own >= 0 ? 1 : 0))
    throw notFinite(step, all.findIndex(flag => flag![0] === 1)) // prettier-ignore
  }
  scale(values, 1 / peers.size)
}

/** C(x + e) as a message behind a byte, and what it leaves out in e. */
const encoded = async (
  codec: MessageCodec,
  x: Float32Array,
  error: Float32Array | undefined,
  context: EncodeContext,
): Promise<Uint8Array> => {
  // prettier-ignore
  const shape = [x.length]
  if (finiteRange(x).bad >= 0) return Uint8Array.of(1)
  if (error) addInto(x, error)
  const message = await codec.encode(x, shape, context)
  if (error) {
    codec.decode(message, shape, error, context)
    subtractFrom(x, error)
    error.set(x)
  }
  return joined([Uint8Array.of(0), packMessages([message], [codec.layout(shape)])])
}

const decoded = (codec: MessageCodec, bytes: Uint8Array, n: number, context: EncodeContext): Float32Array => {
  const into = new Float32Array(n)
  codec.decode(unpackMessages(bytes.subarray(1), [codec.layout([n])])[0], [n], into, context)
  return into
}

interface Errors {
  readonly own?: Float32Array
  readonly server?: Float32Array
}

/** Workers send what codecs make of theirs to the first, which sends all what the codec makes of the mean. */
const twoWay = async (
  peers: Collective,
  codec: MessageCodec,
  x: Float32Array,
  errors: Errors,
  step: number,
  rng: Rng,
): Promise<Float32Array> => {
  // prettier-ignore
  const { rank, size } = peers
  const n = x.length
  // each message has random numbers of its own, which both sides know: what workers leave out must not be the same
  const contextOf = (of: string): EncodeContext => ({ step, common: rng.fork(of), own: rng.fork(of).fork('own') })
  const up = await encoded(codec, x, errors.own, contextOf(`worker ${rank}`))
  const got = await peers.spread(Array.from({ length: size }, (_, to) => (to === 0 ? up : new Uint8Array(0))))
  let down: Uint8Array | undefined
  if (rank === 0) {
    const bad = got.findIndex(bytes => bytes[0] !== 0)
    const mean = new Float32Array(n)
    if (bad < 0) got.forEach((bytes, from) => addScaled(mean, decoded(codec, bytes, n, contextOf(`worker ${from}`)), 1 / size))
    down = bad >= 0 ? Uint8Array.of(1, bad, bad >> 8) : await encoded(codec, mean, errors.server, contextOf('mean'))
  }
  const told = await peers.broadcast(down, 0)
  if (told[0] !== 0) throw notFinite(step, told[1] + 256 * told[2])
  return decoded(codec, told, n, contextOf('mean'))
}

/** τ z + (1 − τ) w. */
const between = (z: Float32Array, anchor: Float32Array, refresh: number): Float32Array => {
  const point = z.slice()
  scale(point, 1 - refresh)
  addScaled(point, anchor, refresh)
  return point
}

/**
 * Extragradient steps that begin between z and an anchor w with known F(w), and send what F changed by from there:
 * z̄ = τ z + (1 − τ) w, z½ = prox(z̄ − γ F(w)), z ← prox(z̄ − γ (F(w) + what all sent of Fₘ(z½) − Fₘ(w))); with probability 1 − τ, w ← z.
 */
export const solveAnchored = async (peers: Collective, name: string, how: Anchored, problem: SaddleProblem): Promise<Float32Array> => {
  const { codec, rate, refresh, batches, feedback } = how
  const { operator, start, steps, rng, signal, project = () => {}, onStep } = problem
  const n = start.length
  const asked: ExchangeStep = { step: 0, loss: 0, gradients: [{ name: 'z', shape: [n], values: start, state: {} }], rng }
  await greet(peers, name, asked)
  const errors: Errors = feedback ? { own: new Float32Array(n), ...(peers.rank === 0 && { server: new Float32Array(n) }) } : {}
  let z: Float32Array = start.slice()
  let anchor: Float32Array = start.slice()
  let own = new Float32Array(0)
  let mean = new Float32Array(0)
  const moveAnchor = async (step: number): Promise<void> => {
    anchor = z.slice()
    own = Float32Array.from(await operator(anchor, step))
    mean = own.slice()
    await averageOperator(peers, mean, step)
  }
  await moveAnchor(0)
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted()
    const stream = rng.fork(`step ${step}`)
    const from = between(z, anchor, refresh)
    const half = from.slice()
    addScaled(half, mean, -rate)
    project(half)
    const change = Float32Array.from(await operator(half, step))
    subtractFrom(change, batches ? await operator(anchor, step) : own)
    if (feedback) scale(change, rate)
    const sent = await twoWay(peers, codec, change, errors, step, stream)
    addScaled(from, mean, -rate)
    addScaled(from, sent, feedback ? -1 : -rate)
    project(from)
    z = from
    onStep?.(step, z)
    if (step + 1 < steps && stream.fork('anchor').uniform() < refresh) await moveAnchor(step + 1)
  }
  return z
}
