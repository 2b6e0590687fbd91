import type { ExchangeStep } from '@tersor/core'
import { addInto, scale } from '@tersor/kernels/vectors'
import { finiteRange } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import type { MessageCodec } from './define-codec.js'
import { encodeOne, isCoded, layoutOf, valuesOf, type Coded, type Rule } from './coded-gradients.js'
import { notFinite } from './greeting.js'
import { floats, floatsOf, joined, packMessages, unpackMessages, type Layout, type Message } from './message.js'

const HEADER = 4

/** Packets one behind the other, each behind its length; one byte less than nothing, 0, stands for one that did not come. */
const packed = (packets: readonly (Uint8Array | undefined)[]): Uint8Array =>
  joined(
    packets.flatMap(packet => {
      const length = new Uint8Array(HEADER)
      new DataView(length.buffer).setUint32(0, packet ? packet.byteLength + 1 : 0, true)
      return packet ? [length, packet] : [length]
    }),
  )

const unpacked = (bytes: Uint8Array, size: number): readonly (Uint8Array | undefined)[] => {
  let at = 0
  return Array.from({ length: size }, () => {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true)
    at += HEADER
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
  ;[...small, ...coded.map(({ gradient }) => gradient.values)].forEach(values => values.fill(0))
  for (const [plain, ...messages] of came) {
    const joint = floatsOf(plain.small)
    small.reduce((at, values) => (addInto(values, joint.subarray(at, at + values.length)), at + values.length), 0)
    coded.forEach(({ codec, gradient: { shape, values }, context }, i) => {
      const decoded = new Float32Array(values.length)
      codec.decode(messages[i], shape, decoded, context)
      addInto(values, decoded)
    })
  }
  ;[...small, ...coded.map(({ gradient }) => gradient.values)].forEach(values => scale(values, 1 / came.length))
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
  if (!came[peers.rank])
    coded.forEach(({ gradient: { shape, state }, context, message }) => {
      const decoded = new Float32Array(shape.reduce((product, extent) => product * extent, 1))
      codec.decode(message, shape, decoded, context)
      rule.missed?.(decoded, state)
    })
  coded.forEach(({ gradient: { values, state } }) => rule.behind(values, state))
  const told = losses.filter(loss => loss !== undefined)
  return { loss: told.reduce((sum, [loss]) => sum + loss, 0) / told.length }
}
