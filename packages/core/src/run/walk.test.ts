import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoBatches, picoModel } from '@tersor/testing'
import { encoded, fromFloat32, memorySink, memoryStore, toFloat32, type Codec, type Dense, type Parameter } from '@tersor/tensor'
import { compress, pipeline } from './compress.js'
import { eachSite } from './each-site.js'
import type { Calibration, Method, Pass } from '../step/method.js'
import { walkStages, type Visit, type WalkOptions } from './walk.js'

beforeAll(() => tf.setBackend('cpu'))

const passOf = (options: Omit<WalkOptions, 'pass'>, visit: (visit: Visit) => Promise<void>): Pass => ({
  kind: 'pass',
  name: 'walker',
  run: (model, context) => walkStages(model, context, { pass: 'walker', ...options }, visit),
})

const total: Calibration<tf.Tensor> = { init: () => tf.scalar(0), update: (sum, x) => tf.add(sum, tf.sum(x)) }

const sumOf = async (activations: Visit['inputs']): Promise<number> => {
  let sum = 0
  for (let batch = 0; batch < activations!.count; batch++)
    sum += await activations!.use(batch, async x => (await x.data<'float32'>()).reduce((all, value) => all + value, 0))
  return sum
}

/** Replaces every weight of a stage by one of zeros. */
const zeroed = async ({ owned, dense, replace }: Visit): Promise<void> => {
  for (const name of owned) {
    const { shape } = await dense(name)
    replace(name, fromFloat32(new Float32Array(shape.reduce((size, n) => size * n, 1)), 'f32', shape))
  }
}

it('shows a visit its inputs, its outputs and its statistics, and goes on with what was changed or with what stood', async () => {
  const batches = picoBatches()
  const before = tf.memory().numTensors
  for (const follow of ['changed', 'original'] as const) {
    const seen: { inputs: number; outputs: number; sum: number }[] = []
    const look = async (visit: Visit): Promise<void> => {
      const outputs = await visit.outputs()
      const statistics = await visit.statistics(total, () => true)
      const [sum] = await (statistics.of(visit.stage.sites[0]).stats as tf.Tensor).data()
      seen.push({ inputs: await sumOf(visit.inputs), outputs: await sumOf(outputs), sum })
      await outputs.dispose()
      await zeroed(visit)
    }
    const small = await compress(picoModel(), passOf({ calibrated: true, follow }, look), { calibration: batches })
    expect(seen[0].sum).toBeCloseTo(seen[0].inputs, 3)
    expect(seen[1].inputs).toBeCloseTo(follow === 'original' ? seen[0].outputs : 0, 3)
    expect(toFloat32((await small.params.read('layers.0.weight')) as Dense).every(value => value === 0)).toBe(true)
  }
  expect(tf.memory().numTensors).toBe(before)
  tf.dispose(batches)
})

it('reads a weight once and decodes it twice at most, before and after', async () => {
  const decoded = new Map<string, number>()
  const counted = (name: string): Codec => ({
    name,
    decode: ({ data }) => {
      decoded.set(name, (decoded.get(name) ?? 0) + 1)
      return tf.clone(data)
    },
  })
  const model = picoModel()
  const parameters: Record<string, Parameter> = {}
  for (const name of model.params.names()) {
    const data = await model.params.read(name)
    parameters[name] = encoded(counted(`before ${name}`), data.shape, { data })
  }
  const stored = memoryStore(parameters)
  const reads = new Map<string, number>()
  const params: typeof stored = {
    ...stored,
    read: (name, options) => {
      reads.set(name, (reads.get(name) ?? 0) + 1)
      return stored.read(name, options)
    },
  }
  const method: Method<tf.Tensor> = {
    ...{ kind: 'method', name: 'halved', rewrites: 'whole', calibrate: total },
    apply: async (weight, { site }) => {
      const data = fromFloat32((await weight.data<'float32'>()).slice(), 'f32', weight.shape)
      return encoded(counted(`after ${site.weight}`), weight.shape, { data })
    },
  }
  const batches = picoBatches()
  await compress({ ...model, params }, method, { calibration: batches })
  tf.dispose(batches)
  expect(Object.fromEntries(reads)).toEqual(Object.fromEntries(stored.names().map(name => [name, 1])))
  expect([...decoded.keys()].length).toBe(2 * stored.names().length)
  for (const times of decoded.values()) expect(times).toBeLessThanOrEqual(2)
})

it('refuses to change a parameter that an earlier stage has written, and opens no place for the result', async () => {
  let opened = 0
  const late = passOf({}, async ({ index, replace }) => {
    if (index === 1) replace('layers.0.weight', fromFloat32([1], 'f32', [1, 1]))
  })
  const sink = () => {
    opened++
    return memorySink()
  }
  await expect(compress(picoModel(), late, { sink })).rejects.toThrow('"layers.0.weight" was written with an earlier stage')
  expect(opened).toBe(0)
})

it('visits what no stage reads where it is asked to, and leaves out what it is told to', async () => {
  const model = picoModel()
  const extra = fromFloat32([1, 2], 'f32', [2])
  const parts: Record<string, Parameter> = { extra, gone: extra }
  for (const name of model.params.names()) parts[name] = await model.params.read(name)
  const seen: string[] = []
  const pass = passOf(
    { others: true, without: new Set(['gone']) },
    async ({ stage, owned }) => void seen.push(`${stage.name}: ${owned.join(' ')}`),
  )
  const small = await compress({ ...model, params: memoryStore(parts) }, pass)
  expect(seen.at(-1)).toBe('other parameters: extra')
  expect([...small.params.names()].sort()).toEqual([...model.params.names(), 'extra'].sort())
})

describe('a chooser', () => {
  const codeOf = (value: number): Method => ({
    ...{ kind: 'method', name: `fill${value}` },
    apply: ({ shape }) => fromFloat32(new Float32Array(shape[0] * shape[1]).fill(value), 'f32', shape),
  })
  const [one, two] = [codeOf(1), codeOf(2)]
  const as = { name: 'mixed', options: { rule: 'first one' } }

  it('gives each site a method, or leaves it', async () => {
    const pass = eachSite(site => (site.name === 'layers.0' ? one : undefined), as)
    const small = await compress(
      picoModel(),
      pipeline(
        pass,
        eachSite(site => (site.name === 'layers.1' ? two : undefined), as),
      ),
    )
    const first = async (name: string) => toFloat32((await small.params.read(name)) as Dense)[0]
    expect([await first('layers.0.weight'), await first('layers.1.weight')]).toEqual([1, 2])
    expect(small.provenance?.map(({ method, options }) => [method, options])).toEqual([
      ['mixed', { rule: 'first one' }],
      ['mixed', { rule: 'first one' }],
    ])
  })

  it('refuses two methods for one weight, and none for all', async () => {
    const model = picoModel()
    const [first, second] = model.stages
    const shared = { ...model, stages: [first, { ...second, sites: [{ ...second.sites[0], weight: 'layers.0.weight' }] }] }
    const both = eachSite(site => (site.name === 'layers.0' ? one : two), as)
    await expect(compress(shared, both)).rejects.toMatchObject({
      code: 'COMPOSITION',
      message:
        'mixed chooses fill2 at "layers.1" for "layers.0.weight", which fill1 compresses at another site already.\nA weight that several sites share is stored once: give all of them the same method.',
    })
    await expect(
      compress(
        model,
        eachSite(() => undefined, as),
      ),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
