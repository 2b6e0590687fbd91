import type { ExchangeStep } from '@tersor/core'
import { addInto, scale } from '@tersor/kernels/vectors'
import { finiteRange } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import type { MessageCodec } from './define-codec.js'
import { decodedOf, encodeOne, isCoded, layoutOf, valuesOf, type Coded, type Rule } from './coded-gradients.js'
import { notFinite } from './greeting.js'
import {
  floats,
  floatsOf,
  joined,
  LENGTH,
  lengthAt,
  lengthBytes,
  packMessages,
  unpackMessages,
  type Layout,
  type Message,
} from './message.js'

/** Packets one behind the other, each behind its length; one byte less than nothing, 0, stands for one that did not come. */
const packed = (packets: readonly (Uint8Array | undefined)[]): Uint8Array =>
  joined(packets.flatMap(packet => (packet ? [lengthBytes(packet.byteLength + 1), packet] : [lengthBytes(0)])))

const unpacked = (bytes: Uint8Array, size: number): readonly (Uint8Array | undefined)[] => {
  let at = 0
  return Array.from({ length: size }, () => {
    const length = lengthAt(bytes, at)
    at += LENGTH
    return length === 0 ? undefined : bytes.subarray(at, (at += length - 1))
  })
}

/** What one worker tells: its loss, whether its gradients are numbers, small tensors as they are, and messages about the others. */
const layoutsOf = (small: number, coded: readonly Coded[]): readonly Layout[] => [
  { loss: { dtype: 'f32', shape: [2] }, small: { dtype: 'f32', shape: [small] } },
  ...coded.map(layoutOf),
]

const own = (loss: number, bad: boolean, small: readonly Float32Array[], coded: readonly Coded[]): readonly Message[] => [
  { loss: floats(Float32Array.of(loss, bad ? NaN : 0)), small: floats(small.length > 0 ? joined(small) : new Float32Array(0)) },
  ...coded.map(({ message }) => message),
]

/** The mean of what came, in the place of the gradients. */
const average = (small: readonly Float32Array[], coded: readonly Coded[], came: readonly (readonly Message[])[]): void => {
  const all = [...small, ...valuesOf(coded.map(({ gradient }) => gradient))]
  all.forEach(values => values.fill(0))
  for (const [plain, ...messages] of came) {
    const joint = floatsOf(plain.small)
    small.reduce((at, values) => (addInto(values, joint.subarray(at, at + values.length)), at + values.length), 0)
    coded.forEach((one, i) => addInto(one.gradient.values, decodedOf(messages[i], one)))
  }
  all.forEach(values => scale(values, 1 / came.length))
}

/**
 * Workers send what they have to the first, which waits so many milliseconds from when it has its own, and sends all what came. All apply the mean of that;
 * who came too late keeps what it sent by its rule. Throws NOT_FINITE on all where one of those that came has no numbers.
 */
export const exchangeWithin = async (
  peers: Collective,
  codec: MessageCodec,
  rule: Rule,
  step: ExchangeStep,
  within: number,
): Promise<{ readonly loss: number }> => {
  // prettier-ignore
  const small = valuesOf(step.gradients.filter(({ shape }) => !isCoded(shape)))
  const large = step.gradients.filter(({ shape }) => isCoded(shape))
  const bad = !Number.isFinite(step.loss) || step.gradients.some(({ values }) => finiteRange(values).bad >= 0)
  const coded: Coded[] = []
  if (!bad) for (const gradient of large) coded.push(await encodeOne(peers, codec, rule, gradient, step))
  const layouts = layoutsOf(small.reduce((sum, { length }) => sum + length, 0), coded) // prettier-ignore
  const packet = packMessages(own(step.loss, bad, small, coded), layouts)
  const all = await peers.collect(packet, 0, AbortSignal.timeout(within))
  const came = unpacked(await peers.broadcast(all && packed(all), 0), peers.size)
  const losses = came.map(bytes => bytes && new Float32Array(bytes.slice(0, 8).buffer))
  const rank = losses.findIndex(told => told && !(Number.isFinite(told[0]) && Number.isFinite(told[1])))
  if (rank >= 0) throw notFinite(step.step, rank, (losses[rank] as Float32Array)[0])
  const there = came.filter(bytes => bytes !== undefined)
  average(small, coded, there.map(bytes => unpackMessages(bytes, layouts))) // prettier-ignore
  if (!came[peers.rank]) coded.forEach(one => rule.missed?.(decodedOf(one.message, one), one.gradient.state))
  coded.forEach(({ gradient: { values, state } }) => rule.behind(values, state))
  const told = losses.filter(loss => loss !== undefined)
  return { loss: told.reduce((sum, [loss]) => sum + loss, 0) / told.length }
}
