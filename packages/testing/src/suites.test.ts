import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { definePass, integer, maskedOf, type Method, type Model, type Pass, walkStages } from '@tersor/core'
import {
  CompressionError,
  fromFloat32,
  memorySink,
  memoryStore,
  sizeOf,
  toFloat32,
  type Dense,
  type Encoded,
  type ParameterSink,
  type ParameterStore,
} from '@tersor/tensor'
import { describeExact, describeMethod, describePairs, describePass, describeSink, describeStore } from '@tersor/testing'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

interface Suite {
  readonly titles: readonly string[]
  /** The messages of the tests that failed, by name. */
  readonly failed: Readonly<Record<string, string>>
}

type Body = () => unknown

/** Runs a suite as Jest would, apart from the tests of this file, and tells what failed. */
const outcomeOf = async (suite: () => void): Promise<Suite> => {
  const [titles, befores, afters, tests]: [string[], Body[], Body[], [string, Body][]] = [[], [], [], []]
  const [eachBefore, eachAfter]: [Body[], Body[]] = [[], []]
  const it = Object.assign((name: string, body: Body) => void tests.push([name, body]), {
    each: (rows: readonly string[]) => (name: string, body: (row: string) => unknown) =>
      rows.forEach(row => tests.push([name.replace('%s', row), () => body(row)])),
  })
  const runner = {
    describe: (title: string, body: () => void) => (titles.push(title), body()),
    beforeAll: (body: Body) => befores.push(body),
    afterAll: (body: Body) => afters.push(body),
    beforeEach: (body: Body) => eachBefore.push(body),
    afterEach: (body: Body) => eachAfter.push(body),
    it,
  }
  const own = { describe, beforeAll, afterAll, beforeEach, afterEach, it: globalThis.it }
  Object.assign(globalThis, runner)
  try {
    suite()
  } finally {
    Object.assign(globalThis, own)
  }
  const failed: Record<string, string> = {}
  for (const body of befores) await body()
  for (const [name, body] of tests) {
    try {
      for (const each of eachBefore) await each()
      await body()
    } catch (error) {
      failed[name] = (error as Error).message
    }
    for (const each of eachAfter) await each()
  }
  for (const body of afters) await body()
  return { titles, failed }
}

/** Multiplies the first layer by a factor and the second by another: the same function where they cancel, as a ReLU lies between. */
const scaling = (first: number, second: number, exact = true): Pass => ({
  kind: 'pass',
  name: 'scaling',
  exact,
  run: async (model: Model) => {
    const scaled = async (name: string, factor: number) => {
      const weight = await model.params.read(name)
      if (weight.kind === 'encoded') throw new CompressionError('COMPOSITION', 'No plain weight.', 'Put it first.', {})
      return [
        name,
        fromFloat32(
          toFloat32(weight).map(value => value * factor),
          'f32',
          weight.shape,
        ),
      ] as const
    }
    return {
      ...model,
      params: memoryStore(Object.fromEntries([await scaled('layers.0.weight', first), await scaled('layers.1.weight', second)])),
    }
  },
})

const SAME = 'says that it is exact, and computes what the model computed'
const COMPARED = 'is what later steps compare with: a repair gives back what rounding took, and no more'

describe('describeExact', () => {
  it('passes a pass that is exact', async () => {
    expect((await outcomeOf(() => describeExact(() => scaling(4, 0.25)))).failed).toEqual({})
  })

  it('catches an exact pass that is not', async () => {
    expect(Object.keys((await outcomeOf(() => describeExact(() => scaling(1, 1.01)))).failed)).toEqual([SAME])
  })

  it('catches one that does not say so, and so leaves later steps comparing with other weights', async () => {
    expect(Object.keys((await outcomeOf(() => describeExact(() => scaling(4, 0.25, false)))).failed)).toEqual([SAME, COMPARED])
  })
})

describe('describePass', () => {
  const identity = definePass({
    name: 'identity',
    summary: 'keeps the model as it is',
    options: { times: integer({ min: 1, default: 1, doc: 'how often' }) },
    run: async model => model,
  })

  it('passes a pass that does nothing, and names its options', async () => {
    const { titles, failed } = await outcomeOf(() => describePass(() => identity({ times: 2 })))
    expect(failed).toEqual({})
    expect(titles).toEqual(['identity(times=2) as a pass'])
  })

  const resumed = 'goes on to the same bytes where it was stopped behind its first stage'

  it('catches a pass that goes on to other bytes than it would have made in one go', async () => {
    // counts the stages of this run alone: 1 and 2 at one go, 1 and 1 after a stop
    const counting: Pass = {
      kind: 'pass',
      name: 'counting',
      run: (model, context) => {
        let visits = 0
        return walkStages(model, context, { pass: 'counting' }, async ({ owned, dense, replace }) => {
          visits++
          for (const name of owned) {
            const { shape } = await dense(name)
            replace(name, fromFloat32(new Float32Array(shape[0] * shape[1]).fill(visits), 'f32', shape))
          }
        })
      },
    }
    const { failed } = await outcomeOf(() => describePass(() => counting))
    expect(Object.keys(failed)).toEqual([resumed])
  })

  it('catches a tensor that is left behind', async () => {
    const leaking: Pass = { kind: 'pass', name: 'leaking', run: async model => (tf.scalar(1), model) }
    const { failed } = await outcomeOf(() => describePass(() => leaking))
    expect(Object.keys(failed)).toContain('leaves no tensor behind, whenever it is aborted')
  })

  it('catches a pass that changes the model it was given, one of other bytes each time, and one that needs calibration', async () => {
    const inPlace: Pass = {
      kind: 'pass',
      name: 'in-place',
      run: async model => (((await model.params.read('layers.0.weight')) as Dense).bytes.fill(0), model),
    }
    const bytes = 'gives the same bytes for the same seed and leaves the model it was given as it was'
    expect(Object.keys((await outcomeOf(() => describePass(() => inPlace))).failed)).toContain(bytes)
    let runs = 1
    expect(Object.keys((await outcomeOf(() => describePass(() => scaling(runs++, 1)))).failed)).toEqual([bytes, resumed])
    const { failed } = await outcomeOf(() => describePass(() => identity(), { calibrated: true }))
    expect(Object.keys(failed)).toEqual(['refuses to run without calibration'])
  })

  it('catches a pass that loses a parameter', async () => {
    const losing: Pass = {
      kind: 'pass',
      name: 'losing',
      run: async (model, context) => {
        const sink = context.sink()
        await sink.write('layers.1.weight', await model.params.read('layers.1.weight'))
        return { ...model, params: await sink.finish() }
      },
    }
    const { failed } = await outcomeOf(() => describePass(() => losing))
    expect(Object.keys(failed)).toContain('is told in the provenance, and leaves a network that runs')
  })
})

describe('describePairs', () => {
  const keep: Method = { kind: 'method', name: 'keep', apply: (_weight, { current }) => current }
  const removeAll: Method = {
    kind: 'method',
    name: 'all',
    apply: (_w, { current }) => maskedOf(new Uint8Array(sizeOf(current.shape)), current),
  }
  const keepAll: Method = {
    kind: 'method',
    name: 'mask',
    apply: (_w, { current }) => maskedOf(new Uint8Array(sizeOf(current.shape)).fill(1), current),
  }
  /** Triples what was compressed before it; alone it does nothing. */
  const tripling: Pass = {
    kind: 'pass',
    name: 'tripling',
    run: async (model, context) => {
      const trees = await Promise.all(model.params.names().map(async name => [name, await model.params.read(name)] as const))
      if (trees.some(([, tree]) => tree.kind === 'dense')) return model
      const plain = trees.map(([name, tree]) => [name, (tree as Encoded).parts.values] as const)
      return scaling(3, 1).run({ ...model, params: memoryStore(Object.fromEntries(plain)) }, context)
    },
  }

  it('tells a pair that is worse than its steps, and a table that is another', async () => {
    const steps = { keep: () => keep, all: () => removeAll }
    const table = 'keep ++\nall  ++'
    expect((await outcomeOf(() => describePairs('picoModel', steps, { table }))).failed).toEqual({})
    const { failed } = await outcomeOf(() => describePairs('picoModel', steps, { table: table.replace('++', '+-') }))
    expect(Object.keys(failed)).toEqual(['refuses the pairs that the table says, and no others'])
    const found = await outcomeOf(() =>
      describePairs('picoModel', { mask: () => keepAll, tripling: () => tripling }, { table: 'mask     ++\ntripling ++' }),
    )
    expect(Object.values(found.failed).join()).toContain('mask → tripling: 2.0000, at most 0.0010')
  })
})

describe('describeStore', () => {
  const store = memoryStore({ a: fromFloat32([1, 2], 'f32', [2]) })

  it('passes a store in memory', async () => {
    expect((await outcomeOf(() => describeStore('memory', () => store))).failed).toEqual({})
  })

  it('catches sizes that are wrong, names that are made up and signals that nobody hears', async () => {
    const lying: ParameterStore = {
      names: store.names,
      info: name => ({ ...store.info(store.names()[0]), byteLength: 7, ...(name === 'a' ? {} : { dtype: 'u8' }) }),
      read: async () => store.read('a'),
    }
    expect(Object.keys((await outcomeOf(() => describeStore('lying', () => lying))).failed)).toEqual([
      'says beforehand what is read',
      'tells a name that it lacks',
      'does not read for a signal that is aborted',
    ])
  })
})

describe('describeSink', () => {
  /** Writes each parameter to a file of its own at once: what most would write first. */
  const hasty = (path: string): ParameterSink => {
    const kept = memorySink()
    return {
      write: async (name, parameter) => {
        await mkdir(path, { recursive: true })
        await writeFile(join(path, name), (parameter as Dense).bytes)
        await kept.write(name, parameter)
      },
      finish: kept.finish,
      abort: kept.abort,
    }
  }

  it('catches a sink that overwrites, leaves files behind and does not tell of a full disk', async () => {
    const { failed } = await outcomeOf(() =>
      describeSink('hasty', {
        make: hasty,
        open: async path => {
          const sink = memorySink()
          const shapes: Readonly<Record<string, number[]>> = { a: [4, 8], b: [2, 8], c: [2] }
          for (const [name, shape] of Object.entries(shapes))
            await sink.write(name, { kind: 'dense', dtype: 'f32', shape, bytes: new Uint8Array(await readFile(join(path, name))) })
          return sink.finish()
        },
      }),
    )
    expect(Object.keys(failed)).toEqual([
      'refuses a name twice, and leaves nothing behind',
      'leaves alone what stands at its place, unless it is told to replace it',
      'leaves nothing behind, whenever it is aborted',
      'says that the disk is full and leaves nothing behind, wherever it fills up',
    ])
  })
})

describe('describeMethod', () => {
  it('says the options in its title', async () => {
    const method = (rank: number): Method => ({
      kind: 'method',
      name: 'cut',
      options: { rank, keep: 'all' },
      apply: (_w, { current }) => current,
    })
    const titles = await Promise.all(
      [1, 2].map(async rank => (await outcomeOf(() => describeMethod(() => method(rank), { smaller: false }))).titles),
    )
    expect(titles.flat()).toEqual(['cut(rank=1, keep=all) as a method', 'cut(rank=2, keep=all) as a method'])
  })
})
