import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoBatches, picoModel } from '@tersor/testing'
import {
  byteLength,
  dense,
  describe as describeTree,
  encoded,
  fromFloat32,
  memorySink,
  memoryStore,
  type Codec,
  type Parameter,
} from '@tersor/tensor'
import { affineOf } from '../codecs/affine.js'
import { factoredOf } from '../codecs/factored.js'
import { maskedOf } from '../codecs/masked.js'
import { sumOf } from '../codecs/sum.js'
import { compress, pipeline } from './compress.js'
import { decode } from '../model/decode.js'
import { checkFinite } from '../model/check-finite.js'
import type { Method, Pass } from '../step/method.js'
import type { ProgressEvent } from './progress-event.js'
import type { Model } from '../model/model.js'

const FIRST = 'layers.0.weight'
let batches: tf.Tensor2D[] = []

beforeAll(async () => {
  await tf.setBackend('cpu')
  batches = picoBatches()
})
afterAll(() => tf.dispose(batches))

const method = (name: string, apply: Method['apply'], extra: Partial<Method> = {}): Method => ({ kind: 'method', name, apply, ...extra })
const total = { init: () => tf.scalar(0) as tf.Tensor, update: (sum: any, x: tf.Tensor) => tf.add(sum, tf.sum(x)) as tf.Tensor }

const halve = method('halve', (_w, { current }) =>
  maskedOf(
    Uint8Array.from({ length: current.shape[0] * current.shape[1] }, (_, i) => i % 2),
    current,
  ),
)
const quantize = method('quantize', weight => {
  const [rows, columns] = weight.shape
  return affineOf({
    shape: [rows, columns],
    bits: 4,
    group: columns,
    codes: new Uint8Array(rows * columns).fill(9),
    scales: new Float32Array(rows).fill(0.5),
  })
})
const factor = method('factor', weight =>
  factoredOf(
    fromFloat32(new Float32Array(weight.shape[0]), 'f32', [weight.shape[0], 1]),
    fromFloat32(new Float32Array(weight.shape[1]), 'f32', [1, weight.shape[1]]),
  ),
)
const correct = method(
  'correct',
  (_w, { current }) => sumOf(current, fromFloat32(new Float32Array(current.shape[0] * current.shape[1]), 'f32', current.shape)),
  { rewrites: 'whole' },
)

const treeAfter = async (...steps: Method[]): Promise<string> =>
  describeTree(await (await compress(picoModel(), pipeline(...steps))).params.read(FIRST))

describe('composition', () => {
  it('rewrites the payload of whatever stands at the site', async () => {
    expect(await treeAfter(halve, quantize)).toBe('masked{mask: u1, values: affine{data: u4, scale: f16}}')
    expect(await treeAfter(factor, quantize)).toBe('factored{u: affine{data: u4, scale: f16}, v: affine{data: u4, scale: f16}}')
    expect(await treeAfter(halve, quantize, correct)).toBe('sum{base: masked{mask: u1, values: affine{data: u4, scale: f16}}, update: f32}')
    expect(await treeAfter(halve, correct, quantize)).toBe('sum{base: masked{mask: u1, values: affine{data: u4, scale: f16}}, update: f32}')
  })

  it('hands the mask of an earlier step to the next one', async () => {
    let mask: number[] = []
    const look = method('look', async (_w, job) => {
      mask = Array.from(await job.mask!.data())
      return job.current
    })
    await compress(picoModel(), pipeline(halve, { ...look, only: 'layers.0' }))
    expect(mask.slice(0, 4)).toEqual([0, 1, 0, 1])
  })

  it('says what to move where nothing is left to compress', async () => {
    const failing = compress(picoModel(), pipeline(quantize, halve))
    await expect(failing).rejects.toMatchObject({ code: 'COMPOSITION', fields: { method: 'halve', site: 'layers.0' } })
    await expect(failing).rejects.toThrow(
      'halve at layers.0: "affine" has no part to compress again.\nPut this method before the one that produced it.',
    )
  })

  it('refuses statistics of the site for parts with other axes', async () => {
    const calibrated = { ...quantize, calibrate: total }
    await expect(compress(picoModel(), pipeline(factor, calibrated), { calibration: batches })).rejects.toThrow(
      'quantize at layers.0: its statistics do not hold for the parts of "factored".\nPut this method before the one that produced it, or use one without calibration.',
    )
  })
})

describe('the runner', () => {
  it('tells a method whose result is no number', async () => {
    const overflowing = method('overflowing', async weight => fromFloat32(new Float32Array(weight.size).fill(NaN), 'f32', weight.shape))
    await expect(compress(picoModel(), overflowing)).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: expect.stringContaining(
        'overflowing at layers.0 gives numbers that are NaN or infinite, though "layers.0.weight" has none.\nIts',
      ),
    })
  })

  it('shows each stage the inputs that the compressed stages before it give', async () => {
    const sums: number[] = []
    const samples: number[] = []
    const zero = method(
      'zero',
      async (weight, { stats, samples: seen }) => {
        sums.push((await (stats as unknown as tf.Tensor).data())[0])
        samples.push(seen)
        return fromFloat32(new Float32Array(weight.size), 'f32', weight.shape)
      },
      { calibrate: total },
    )
    await compress(picoModel(), zero, { calibration: batches })
    expect(sums[0]).not.toBe(0)
    expect(samples[0]).toBeGreaterThan(0)
    // relu(x · 0ᵀ) is no input at all: the second weight sees X = I of its 32 columns instead, and is told so
    expect([samples[1], sums[1]]).toEqual([0, 32])
  })

  it('counts the rows that the statistics saw', async () => {
    const samples: number[] = []
    const look = method('look', (_w, job) => (samples.push(job.samples), job.current), { calibrate: total })
    await compress(picoModel(), look, { calibration: batches })
    expect(samples).toEqual([192, 192])
  })

  it('lets sites that see one tensor share its statistics', async () => {
    const model = twoHeads()
    let updates = 0
    const counting = { init: total.init, update: (sum: any, x: tf.Tensor) => (updates++, total.update(sum, x)) }
    const values: number[] = []
    const look = method(
      'look',
      async (_w, { stats, current }) => (values.push((await (stats as unknown as tf.Tensor).data())[0]), current),
      { calibrate: counting },
    )
    await compress(model, look, { calibration: [batches[0], batches[1]] })
    expect(updates).toBe(2)
    expect(values[0]).toBe(values[1])
  })

  it('gives the weight as it was before the pipeline', async () => {
    let original: number[] = []
    const look = method('look', async (_w, job) => {
      const tensor = await job.original()
      original = Array.from(await tensor.data())
      tensor.dispose()
      return job.current
    })
    const source = picoModel()
    await compress(source, pipeline(quantize, { ...look, rewrites: 'whole', only: 'layers.0' }))
    const expected = decode(await source.params.read(FIRST))
    expect(original).toEqual(Array.from(await expected.data()))
    expected.dispose()
  })

  it('leaves the source as it was and records what was done', async () => {
    const source = picoModel()
    const before = await source.params.read(FIRST)
    const small = await compress(source, pipeline(halve, pipeline({ ...quantize, options: { bits: 4 } })), { seed: 5 })
    expect(await source.params.read(FIRST)).toBe(before)
    expect(small.provenance).toMatchObject([
      { method: 'halve', options: {}, seed: 5 },
      { method: 'quantize', options: { bits: 4 } },
    ])
  })

  it('hands the finished model to the sink, with the whole provenance of a nested pipeline', async () => {
    const seen: string[][] = []
    const sink = ({ provenance = [], params }: Model) => {
      seen.push([...provenance.map(step => step.method), ...params.names()])
      return memorySink()
    }
    await compress(picoModel(), pipeline(halve, pipeline(halve, quantize)), { sink })
    expect(seen).toEqual([['halve', 'halve', 'quantize', 'layers.0.weight', 'layers.1.weight']])
  })

  it('reports passes, stages, batches and sites in order', async () => {
    const events: ProgressEvent[] = []
    await compress(
      picoModel(),
      { ...quantize, calibrate: total },
      { calibration: batches.slice(0, 1), onProgress: event => events.push(event) },
    )
    expect(events.map(event => event.type)).toEqual(['pass', 'stage', 'calibrated', 'compressed', 'stage', 'calibrated', 'compressed'])
    expect(events[3]).toMatchObject({
      site: 'layers.0',
      before: 2048,
      after: byteLength(await (await compress(picoModel(), quantize)).params.read(FIRST)),
    })
  })

  it('opens no sink when a step fails, and aborts one that fails', async () => {
    const calls: string[] = []
    const sink = () => {
      calls.push('open')
      return { ...memorySink(), write: () => Promise.reject(new Error('full')), abort: async () => void calls.push('abort') }
    }
    const failing = method('failing', () => Promise.reject(new Error('no')))
    await expect(compress(picoModel(), pipeline(halve, failing), { sink })).rejects.toThrow('no')
    expect(calls).toEqual([])
    await expect(compress(picoModel(), halve, { sink })).rejects.toThrow('full')
    expect(calls).toEqual(['open', 'abort'])
  })

  it('gives the bytes of one seed whatever other layers there are', async () => {
    const noisy = method('noisy', (weight, { rng }) =>
      fromFloat32(
        Float32Array.from({ length: weight.size }, () => rng.normal()),
        'f32',
        weight.shape,
      ),
    )
    const all = await (await compress(picoModel(), noisy, { seed: 9 })).params.read('layers.1.weight')
    const one = await (await compress(picoModel(), { ...noisy, only: 'layers.1' }, { seed: 9 })).params.read('layers.1.weight')
    const other = await (await compress(picoModel(), noisy, { seed: 10 })).params.read('layers.1.weight')
    expect(all).toEqual(one)
    expect(all).not.toEqual(other)
  })
})

describe('what is refused', () => {
  it('a calibrated method without calibration', async () => {
    for (const options of [{}, { calibration: [] }]) {
      await expect(compress(picoModel(), { ...quantize, calibrate: total }, options)).rejects.toThrow(
        'quantize learns from inputs, and no calibration batch was given.\nPass calibration: batches of token ids or images',
      )
    }
  })

  it('a pattern that names no site', async () => {
    await expect(compress(picoModel(), { ...halve, only: 'blocks.*' })).rejects.toThrow(
      'halve finds no site to work on with only = "blocks.*".\nThe model\'s sites are layers.0, layers.1.',
    )
  })

  it('an empty pipeline and a broken seed', async () => {
    expect(() => pipeline()).toThrow('A pipeline of no steps does nothing.\nPass at least one method or pass.')
    await expect(compress(picoModel(), halve, { seed: 0.5 })).rejects.toThrow('seed is 0.5.\nPass an integer.')
  })

  it('weights that are not finite, of any dtype, where a step changes them', async () => {
    for (const dtype of ['f32', 'bf16', 'f16'] as const) {
      const broken = picoModel({ dtype, edit: values => (values[7] = dtype === 'f16' ? Infinity : NaN) })
      await expect(compress(broken, { ...halve, only: 'layers.0' })).rejects.toThrow(
        'Weight 7 of "layers.0.weight" is NaN or infinite.\nRepair or replace the checkpoint',
      )
    }
  })

  it('none of what only passes through: masks and bounds may be infinite', async () => {
    const model = picoModel({ edit: values => (values[7] = -Infinity) })
    const small = await compress(model, { ...halve, only: 'layers.1' })
    expect(await small.params.read('layers.0.weight')).toEqual(await model.params.read('layers.0.weight'))
  })

  it('doubles that no float holds are finite all the same', () => {
    const doubles = dense('f64', [2], new Uint8Array(Float64Array.of(1e300, -1e-300).buffer))
    expect(() => checkFinite('wide', doubles)).not.toThrow()
    const broken = dense('f64', [2], new Uint8Array(Float64Array.of(1, Infinity).buffer))
    expect(() => checkFinite('wide', broken)).toThrow('Weight 1 of "wide" is NaN or infinite.')
  })

  it('work after the signal, with its own reason', async () => {
    const pass: Pass = { kind: 'pass', name: 'never', run: () => Promise.reject(new Error('ran')) }
    await expect(compress(picoModel(), pass, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})

it('skips embeddings and heads unless they are named', async () => {
  const names: string[] = []
  const look = method('look', (_w, job) => (names.push(job.site.name), job.current))
  const model = picoModel()
  const marked: Model = {
    ...model,
    stages: [
      { ...model.stages[0], sites: [{ ...model.stages[0].sites[0], kind: 'embedding' }] },
      { ...model.stages[1], sites: [{ ...model.stages[1].sites[0], head: true }] },
    ],
  }
  await expect(compress(marked, look)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await compress(marked, { ...look, only: '*.1' })
  await compress(marked, { ...look, only: 'layers.0' })
  expect(names).toEqual(['layers.1', 'layers.0'])
})

it('compresses a transposed weight as the (out, in) matrix it is', async () => {
  const model = picoModel()
  const swapped: Model = {
    ...model,
    stages: [{ ...model.stages[0], sites: [{ ...model.stages[0].sites[0], outAxis: 1, inAxis: 0 }] }, model.stages[1]],
  }
  const shapes: number[][] = []
  const look = method('look', (weight, job) => (shapes.push([...weight.shape], [...job.current.shape]), quantize.apply(weight, job)))
  const small = await compress(swapped, { ...look, only: 'layers.0' })
  expect(shapes).toEqual([[16, 32], [16, 32]]) // prettier-ignore
  const tree = await small.params.read(FIRST)
  expect(describeTree(tree)).toBe('matrix{values: affine{data: u4, scale: f16}}')
  expect(tree.shape).toEqual([32, 16])
})

/** Two sites of one stage that read the same tensor. */
const twoHeads = (): Model => {
  const sites = [0, 1].map(i => ({ name: `head.${i}`, weight: `head.${i}.weight`, kind: 'linear' as const, outAxis: 0, inAxis: 1 }))
  const weight = (): Parameter => fromFloat32(new Float32Array(32).fill(1), 'f32', [2, 16])
  return {
    params: memoryStore({ 'head.0.weight': weight(), 'head.1.weight': weight() }),
    stages: [
      {
        name: 'heads',
        parameters: sites.map(site => site.weight),
        sites,
        run: (x, env) =>
          tf.addN(
            sites.map(site => {
              env.tap?.(site, x)
              return tf.matMul(x as tf.Tensor2D, env.weights(site.weight) as tf.Tensor2D, false, true)
            }),
          ),
      },
    ],
  }
}

it('leaves unknown trees of other packages alone where they are not chosen', async () => {
  const odd: Codec = { name: 'odd', decode: ({ a }) => tf.clone(a) }
  const model = picoModel()
  const tree = encoded(odd, [32, 16], { a: await model.params.read(FIRST) })
  const store = memoryStore({ [FIRST]: tree, 'layers.1.weight': await model.params.read('layers.1.weight') })
  const small = await compress({ ...model, params: store }, { ...halve, only: 'layers.1' })
  expect(await small.params.read(FIRST)).toBe(tree)
})

it('compresses a site that no input reached as if all inputs were alike, which is rounding on its own', async () => {
  const model = picoModel()
  const [first, second] = model.stages
  const silent: Model = { ...model, stages: [{ ...first, run: (x, env) => first.run(x, { weights: env.weights }) }, second] }
  const seen: { name: string; samples: number; gram: number[] }[] = []
  const look: Method<tf.Tensor> = {
    ...{ kind: 'method', name: 'look', only: '*' },
    calibrate: { init: (_site, columns) => tf.zeros([columns, columns]), update: (sum, x) => tf.add(sum, tf.matMul(x, x, true)) },
    apply: async (_weight, { site, samples, stats, current }) => {
      seen.push({ name: site.name, samples, gram: [...(await stats.data())] })
      return current
    },
  }
  const columns = model.params.info(first.sites[0].weight).shape[1]
  const calibration = [tf.ones([5, columns])]
  const before = tf.memory().numTensors
  await compress(silent, look, { calibration })
  expect(tf.memory().numTensors).toBe(before)
  tf.dispose(calibration)
  expect(seen.map(({ name, samples }) => [name, samples])).toEqual([
    ['layers.0', 0],
    ['layers.1', 5],
  ])
  expect(seen[0].gram).toEqual(Array.from({ length: columns ** 2 }, (_, i) => (i % (columns + 1) === 0 ? 1 : 0)))
})
