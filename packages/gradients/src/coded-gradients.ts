import type { ExchangedGradient, ExchangeState, ExchangeStep } from '@tersor/core'
import { addInto, scale } from '@tersor/kernels/vectors'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import type { EncodeContext, MessageCodec } from './define-codec.js'
import { joined, packMessages, unpackMessages, type Layout, type Message } from './message.js'

/** Tensors of fewer numbers are joined and sent as they are, as vectors are: their bytes are few, and their numbers matter. */
const SMALL = 1024

/** Whether a gradient is sent through a codec. */
export const isCoded = (shape: Shape): boolean => shape.length > 1 && sizeOf(shape) >= SMALL

/** What is done with one coded gradient of this worker, before and behind the exchange of messages. */
export interface Rule {
  init(shape: Shape): ExchangeState
  /** What is encoded of g; the array is the rule's. */
  before(gradient: Float32Array, state: ExchangeState): Float32Array
  /** With C(what was encoded), this worker's own. */
  sent(encoded: Float32Array, decoded: Float32Array, state: ExchangeState): void
  /** The gradient that all workers apply, in the place of the mean of what they sent. */
  behind(mean: Float32Array, state: ExchangeState): void
  /** With C(what was encoded), where it came too late and nobody applied it. */
  missed?(decoded: Float32Array, state: ExchangeState): void
}

/** g is encoded, and the mean of what was sent is applied. */
export const WITHOUT_FEEDBACK: Rule = Object.freeze<Rule>({
  init: () => ({}),
  before: gradient => gradient,
  sent: () => {},
  behind: () => {},
})

/** Random numbers of one tensor in one step: common to all workers, and this one's own. */
export const contextOf = ({ step, rng }: ExchangeStep, name: string, { rank }: Collective): EncodeContext => {
  const common = rng.fork(name)
  return { step, common, own: common.fork(`worker ${rank}`) }
}

/** The mean over all workers in the place of some numbers, joined into one message. */
export const averagePlainly = async (peers: Collective, parts: readonly Float32Array[]): Promise<void> => {
  if (parts.length === 0) return
  const all = joined(parts)
  await peers.sum(all)
  scale(all, 1 / peers.size)
  parts.reduce((at, part) => (part.set(all.subarray(at, at + part.length)), at + part.length), 0)
}

/** Of some gradients, their numbers. */
export const valuesOf = (gradients: readonly ExchangedGradient[]): readonly Float32Array[] => gradients.map(({ values }) => values)

/** A gradient and this worker's message about it. */
export interface Coded {
  readonly gradient: ExchangedGradient
  readonly codec: MessageCodec
  readonly context: EncodeContext
  readonly message: Message
}

export const layoutOf = ({ codec, gradient: { shape } }: Coded): Layout => codec.layout(shape)
const decodeInto = (into: Float32Array, message: Message, { codec, gradient: { shape }, context }: Coded): void =>
  codec.decode(message, shape, into, context)

/** What a message about a gradient says. */
export const decodedOf = (message: Message, one: Coded): Float32Array => {
  const decoded = new Float32Array(one.gradient.values.length)
  decodeInto(decoded, message, one)
  return decoded
}

/** Messages that are added as they are. */
const sumMessages = async (peers: Collective, coded: readonly Coded[]): Promise<void> => {
  if (coded.length === 0) return
  const bytes = packMessages(coded.map(({ message }) => message))
  await peers.sum(new Float32Array(bytes.buffer))
  unpackMessages(bytes, coded.map(layoutOf)).forEach((message, i) => decodeInto(coded[i].gradient.values, message, coded[i]))
}

/** Messages that everybody gets and decodes. */
const gatherMessages = async (peers: Collective, coded: readonly Coded[]): Promise<void> => {
  if (coded.length === 0) return
  const layouts = coded.map(layoutOf)
  const bytes = packMessages(coded.map(({ message }) => message), layouts) // prettier-ignore
  const messages = (await peers.gather(bytes)).map(each => unpackMessages(each!, layouts))
  coded.forEach((one, i) => {
    const { values } = one.gradient
    const decoded = new Float32Array(values.length)
    values.fill(0)
    for (const of of messages) {
      decodeInto(decoded, of[i], one)
      addInto(values, decoded)
    }
  })
}

/** The mean of what all workers sent about each tensor, in the place of its values. */
export const averageMessages = async (peers: Collective, coded: readonly Coded[]): Promise<void> => {
  await sumMessages(peers, coded.filter(({ codec }) => codec.reduce === 'sum')) // prettier-ignore
  await gatherMessages(peers, coded.filter(({ codec }) => codec.reduce === 'gather')) // prettier-ignore
  coded.forEach(({ gradient: { values } }) => scale(values, 1 / peers.size))
}

/** This worker's message about a gradient, by a rule. */
export const encodeOne = async (
  peers: Collective,
  codec: MessageCodec,
  rule: Rule,
  gradient: ExchangedGradient,
  step: ExchangeStep,
): Promise<Coded> => {
  const { name, shape, values, state } = gradient
  const context = contextOf(step, name, peers)
  const encoded = rule.before(values, state)
  const message = await codec.encode(encoded, shape, context)
  const coded = { gradient, codec, context, message }
  rule.sent(encoded, decodedOf(message, coded), state)
  return coded
}

/** Gives all workers what all workers' codecs made of some gradients, by a rule. */
export const exchangeCoded = async (
  peers: Collective,
  codecOf: (gradient: ExchangedGradient) => MessageCodec,
  rule: Rule,
  gradients: readonly ExchangedGradient[],
  step: ExchangeStep,
): Promise<void> => {
  const coded: Coded[] = []
  for (const gradient of gradients) coded.push(await encodeOne(peers, codecOf(gradient), rule, gradient, step))
  await averageMessages(peers, coded)
  gradients.forEach(({ values, state }) => rule.behind(values, state))
}
