import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { adam, createRng, fit, sgd, type Exchange, VERSION, type FitOptions } from '@tersor/core'
import { memoryScratch } from '@tersor/testing'
import type { Collective } from './collective/collective.js'
import { together } from './collective/together.js'
import { dgc } from './dgc.js'
import { eControl } from './e-control.js'
import { ef21 } from './ef21.js'
import { errorFeedback } from './error-feedback.js'
import { exchanged } from './exchanged.js'
import { lGreco } from './l-greco.js'
import { oneBitAdam } from './one-bit-adam.js'
import { plain } from './plain.js'
import { powerSgd } from './power-sgd.js'
import { qsgd } from './qsgd.js'
import { sign } from './sign.js'
import { topK } from './top-k.js'

const WORKERS = 2
const ROWS = 8

type Batch = { x: tf.Tensor; y: tf.Tensor }

/** The whole batch of a step, or one worker's rows of it. */
const batchOf = (step: number, worker?: number): Batch =>
  tf.tidy(() => {
    const rng = createRng(step + 77)
    const x = tf.tensor2d(Float32Array.from({ length: ROWS * 40 }, () => rng.normal()), [ROWS, 40]) // prettier-ignore
    const y = tf.sin(tf.slice(x, [0, 0], [ROWS, 32]))
    if (worker === undefined) return { x, y }
    const rows = ROWS / WORKERS
    return { x: tf.slice(x, [worker * rows, 0], [rows, -1]), y: tf.slice(y, [worker * rows, 0], [rows, -1]) }
  })

interface Setup extends Partial<Pick<FitOptions<Batch>, 'checkpoint' | 'signal' | 'transform'>> {
  readonly exchange?: Exchange
  readonly worker?: number
  readonly steps?: number
  readonly seed?: number
  readonly poison?: boolean
  readonly width?: number
  readonly begin?: number
}

/** Trains y = W x + b, W (40, 32) and b; the losses and the weights at the end. */
const run = async ({
  worker,
  steps = 6,
  seed = 1,
  poison = false,
  width = 32,
  begin = 0,
  transform = sgd({ learningRate: 0.05 }),
  ...options
}: Setup) => {
  const [w, b] = tf.tidy(() => [tf.variable(tf.fill([40, width], begin)), tf.variable(tf.zeros([width]))])
  const losses: number[] = []
  try {
    await fit<Batch>({
      ...{ trained: [{ name: 'w', variable: w }, { name: 'b', variable: b }], steps, transform, rng: createRng(seed) }, // prettier-ignore
      data: step => batchOf(step, worker),
      loss: ({ x, y }) => {
        const error = tf.sub(tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b), tf.slice(y, [0, 0], [-1, width]))
        return tf.mul(tf.mean(tf.square(error)), poison ? NaN : 1) as tf.Scalar
      },
      onProgress: event => event.type === 'trained' && losses.push(event.loss),
      ...options,
    })
    return { losses, w: await w.data<'float32'>(), b: await b.data<'float32'>() }
  } finally {
    tf.dispose([w, b])
  }
}

const EXCHANGES: Readonly<Record<string, (peers: Collective) => Exchange>> = {
  'exchanged(plain)': peers => exchanged(peers, { codec: plain() }),
  'exchanged(qsgd)': peers => exchanged(peers, { codec: qsgd() }),
  'error-feedback(top-k)': peers => errorFeedback(peers, { codec: topK({ density: 0.05 }) }),
  'ef21(sign)': peers => ef21(peers, { codec: sign() }),
  'e-control(top-k)': peers => eControl(peers, { codec: topK({ density: 0.1 }), control: 0.02 }),
  'power-sgd': peers => powerSgd(peers, { rank: 2, start: 1 }),
  dgc: peers => dgc(peers, { density: 0.05, warmup: 3 }),
  'l-greco(top-k)': peers =>
    lGreco(peers, {
      codec: topK({ density: 0.05 }),
      codecs: [topK({ density: 0.01 }), topK({ density: 0.1 })],
      start: 0,
      first: 2,
      every: 3,
    }),
  'l-greco(ranks)': peers => lGreco(peers, { rank: 2, ranks: [1, 3], start: 1, first: 2, every: 3 }),
  'one-bit-adam': peers => oneBitAdam(peers, { freeze: 6 }),
}

let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

it('two workers with half of a batch each are one with all of it', async () => {
  const alone = await run({ transform: adam({ learningRate: 0.01 }) })
  const [first, second] = await together(WORKERS, peers =>
    run({ exchange: exchanged(peers, { codec: plain() }), worker: peers.rank, transform: adam({ learningRate: 0.01 }) }),
  )
  expect(second).toEqual(first)
  first.losses.forEach((loss, i) => expect(Math.abs(loss - alone.losses[i])).toBeLessThan(1e-5))
})

describe.each(Object.keys(EXCHANGES))('training through %s', name => {
  const make = EXCHANGES[name]
  const transform = sgd({ learningRate: name === 'one-bit-adam' ? 0.001 : 0.05 })
  const all = (more: (peers: Collective) => Setup = () => ({})) =>
    together(WORKERS, peers => run({ exchange: make(peers), worker: peers.rank, steps: 8, transform, ...more(peers) }))
  let whole: Awaited<ReturnType<typeof all>>
  beforeAll(async () => void (whole = await all()))

  it('gives all workers the same weights, the same in every run, and learns', async () => {
    const [first, second] = whole
    expect(second).toEqual(first)
    expect(await all()).toEqual([first, second])
    expect(first.losses.at(-1)).toBeLessThan(first.losses[0])
  })

  it('goes on from its checkpoint to the same bytes', async () => {
    const scratches = Array.from({ length: WORKERS }, () => memoryScratch())
    const kept = (peers: Collective) => ({ checkpoint: { scratch: scratches[peers.rank], every: 2 } })
    const controller = new AbortController()
    const stopped = all(peers => {
      const exchange = make(peers)
      const stopping: Exchange = { ...exchange, run: step => (step.step === 4 && controller.abort(new Error('stopped')), exchange.run(step)) } // prettier-ignore
      return { ...kept(peers), exchange: stopping, signal: controller.signal }
    })
    await expect(stopped).rejects.toThrow()
    const resumed = await all(kept)
    expect(resumed.map(({ w, b }) => [w, b])).toEqual(whole.map(({ w, b }) => [w, b]))
  })
})

it('refuses a checkpoint of another number of workers', async () => {
  const scratch = memoryScratch()
  await together(1, peers => run({ exchange: exchanged(peers, { codec: plain() }), worker: 0, checkpoint: { scratch, every: 2 } }))
  const other = together(
    2,
    peers =>
    run({ exchange: exchanged(peers, { codec: plain() }), worker: 0, checkpoint: { scratch: peers.rank === 0 ? scratch : memoryScratch(), every: 2 } }), // prettier-ignore
  )
  await expect(other).rejects.toThrow('exchanged(codec=plain) of 1 workers, where it is exchanged(codec=plain) of 2 workers now')
})

it('tells all workers whose loss is no number', async () => {
  const told: string[] = []
  await together(WORKERS, peers =>
    run({ exchange: exchanged(peers, { codec: plain() }), worker: peers.rank, poison: peers.rank === 1 }).catch((error: Error) =>
      told.push(error.message),
    ),
  )
  expect(told).toEqual(Array.from({ length: WORKERS }, () => 'In step 1 the loss is NaN on worker 1.\nLower the learning rate, or look at the data of that worker.')) // prettier-ignore
})

it.each([
  ['another seed', { seed: 2 }, 'Worker 1 has another seed: '],
  ['other weights at the beginning, such as those of another dtype', { begin: 0.001 }, 'Worker 1 begins with other weights: w '],
  ['another model', { width: 31 }, 'Worker 1 has another model: w [40,31], where it is w [40,32] here.'],
])('finds in its first step a worker with %s', async (_what, odd, text) => {
  const told: string[] = []
  await together(
    WORKERS,
    peers =>
    run({ exchange: exchanged(peers, { codec: plain() }), worker: peers.rank, ...(peers.rank === 1 ? odd : {}) }).catch((error: Error) => told.push(error.message)), // prettier-ignore
  )
  expect(told).toHaveLength(WORKERS)
  expect(told.some(message => message.includes(text))).toBe(true)
})

it('finds a worker with another codec', async () => {
  const told: string[] = []
  await together(
    WORKERS,
    peers =>
    run({ exchange: exchanged(peers, { codec: peers.rank === 1 ? sign() : plain() }), worker: peers.rank }).catch((error: Error) => told.push(error.message)), // prettier-ignore
  )
  expect(told.some(message => message.includes('Worker 1 has another exchange: exchanged(codec=sign) of 2 workers'))).toBe(true)
})

it('says which worker vanished in the middle of a training', async () => {
  const told: string[] = []
  await together(WORKERS, async peers => {
    const outcome = run({ exchange: exchanged(peers, { codec: plain() }), worker: peers.rank, steps: peers.rank === 1 ? 2 : 6 })
    await outcome.catch((error: Error) => told.push(error.message))
  })
  expect(told).toEqual([expect.stringContaining('Worker 1 is gone: it has ended.')])
})

it('finds a worker with another version of the library', async () => {
  const told: string[] = []
  await together(WORKERS, peers => {
    const older: Collective = {
      ...peers,
      gather: (bytes, within) => peers.gather(new TextEncoder().encode(new TextDecoder().decode(bytes).replace(`"version":"${VERSION}"`, '"version":"0.0.1"')), within), // prettier-ignore
    }
    return run({ exchange: exchanged(peers.rank === 1 ? older : peers, { codec: plain() }), worker: peers.rank }).catch((error: Error) => told.push(error.message)) // prettier-ignore
  })
  expect(told.some(message => message.startsWith(`Worker 1 has another version: 0.0.1, where it is ${VERSION} here.`))).toBe(true)
})
