import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { createRng, decode, loadModel, openCaches, type Model } from '@tersor/core'
import { describeEncoding, picoDecoder, useEngine } from '@tersor/testing'
import { fitChannels, projectionChannels, type ChannelBases } from './channel-bases.js'
import { cskv } from './cskv.js'
import { snapKv } from './snap-kv.js'

const model = picoDecoder()
useEngine()

const text = (rows: number): tf.Tensor => {
  const rng = createRng(11)
  return tf.tensor2d(Int32Array.from({ length: rows * 40 }, () => rng.integer(24)), [rows, 40], 'int32') // prettier-ignore
}
const fitted = async (share: number): Promise<ChannelBases> => {
  const ids = text(4)
  const bases = await fitChannels(model, { calibration: [ids], keys: share, values: share })
  ids.dispose()
  return bases
}
let made: Promise<ChannelBases> | undefined
/** Half of all channels, fitted once for all that look at them. */
const fittedHalf = (): Promise<ChannelBases> => (made ??= fitted(0.5))
/** Bases before the tests are described: the first channels of both heads side by side. */
const firstChannels = (count: number): ChannelBases => {
  const layer = () => ({ kind: 'dense' as const, dtype: 'f32' as const, shape: [count, 16], bytes: new Uint8Array(Float32Array.from({ length: count * 16 }, (_, at) => Number(at % 17 === 0)).buffer) }) // prettier-ignore
  return {
    name: 'channels',
    options: { digest: `first ${count}` },
    kind: 'bases',
    layers: [0, 1].map(() => ({ keys: layer(), values: layer() })),
  }
}

// 32 of 40 entries: 12 features of keys and of values in halves, the bases once, the positions of 32 and four frequencies
describeEncoding(() => cskv({ bases: firstChannels(12), recent: 8 }), {
  ample: () => cskv({ bases: firstChannels(12), recent: 64 }),
  bytes: [32 * 4, 2 * 2 * 32 * 12 + 2 * 4 * 12 * 16 + 4 * 4],
  error: [0.8, 0.8],
})
describeEncoding(() => cskv({ bases: firstChannels(16), recent: 8, bits: '4' }), {
  ample: () => cskv({ bases: firstChannels(16), recent: 64, bits: '4' }),
  bytes: [32 * 4 + 2 * 32 * 8, 16 * 4 + 32 * 4 + 2 * 4 * 16 * 16 + 4 * 4],
  error: [0.1, 0.1],
})

/** How far what a layer holds is from what it was, of texts that were not fitted to. */
const errorOf = async (of: Model, bases: ChannelBases): Promise<number> => {
  const [caches, whole] = [openCaches(of, [cskv({ bases, recent: 1, block: 1 })]), openCaches(of)]
  const loaded = await loadModel(of)
  const ids = text(5)
  for (const each of [caches, whole]) {
    tf.tidy(() => void each.forward(ids, loaded))
    await each.settle('prompt')
  }
  const layer = (each: typeof caches) => each.layers.filter(one => one !== undefined)[1]
  const decoded = layer(caches).decoded()
  const difference = tf.tidy(() => tf.norm(tf.sub(decoded[0].keys, layer(whole).held[0].keys)).dataSync()[0])
  decoded.forEach(({ keys, values }) => tf.dispose([keys, values]))
  ids.dispose()
  for (const each of [caches, whole, loaded]) each.dispose()
  return difference
}

it('is exact with all channels, and nearer with fitted ones than with others of as many', async () => {
  expect(await errorOf(model, await fitted(1))).toBeLessThan(0.1)
  const half = await errorOf(model, await fittedHalf())
  expect(half).toBeLessThan(await errorOf(model, firstChannels(8)))
})

it('finds the directions that there are', async () => {
  const bases = await fittedHalf()
  for (const { keys, values } of bases.layers) {
    expect([keys.shape, values.shape]).toEqual([[8, 16], [8, 16]]) // prettier-ignore
    const basis = decode(keys) as tf.Tensor2D
    const gram = tf.tidy(() => Array.from(tf.matMul(basis, basis, false, true).dataSync()))
    gram.forEach((cell, at) => expect(cell).toBeCloseTo(Number(at % 9 === 0), 2))
    basis.dispose()
  }
  expect((await fitted(0.5)).options).toEqual(bases.options)
})

it('refuses what it cannot be', async () => {
  await expect(fitChannels(model, { calibration: [], keys: 0.5, values: 0.5 })).rejects.toThrow('There are no texts to fit channels to.')
  await expect(fitChannels(model, { calibration: [], keys: 0, values: 0.5 })).rejects.toThrow('Channels got keys = 0.\nPass the share')
  await expect(projectionChannels(model, { keys: 0.5, values: 0.5 })).rejects.toThrow('has no projection .k_proj of its own.\nFit channels')
  expect(() => cskv({} as never)).toThrow('cskv encoding needs the option "bases".')
  await expect(errorOf(model, { ...firstChannels(8), layers: [] })).rejects.toThrow('cskv has bases of 0 layers for 2.\nFit channels')
})

it('refuses heads that hold different entries', async () => {
  const caches = openCaches(model, [snapKv({ keep: 20, recent: 4 }), cskv({ bases: firstChannels(8), recent: 4, block: 4 })])
  const loaded = await loadModel(model)
  const ids = text(1)
  caches.watch('prompt')
  tf.tidy(() => void caches.forward(ids, loaded))
  await expect(caches.settle('prompt')).rejects.toThrow('cskv keeps what the heads of an entry have in common, and they hold different entries.\nPut a policy') // prettier-ignore
  ids.dispose()
  for (const each of [caches, loaded]) each.dispose()
})
