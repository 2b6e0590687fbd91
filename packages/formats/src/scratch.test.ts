import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import {
  compress,
  decode,
  factoredOf,
  maskedOf,
  pipeline,
  powersOf,
  ranged,
  type Method,
  type ProgressEvent,
  type RunOptions,
} from '@tersor/core'
import { picoBatches, picoModel } from '@tersor/testing'
import { encoded, fromFloat32, fromIntegers, type Dense, type Parameter } from '@tersor/tensor'
import { readdirSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { dyingFileSystem, failingFileSystem, failure, temporaryFolder } from './files/failing-file-system.fixture.js'
import { safetensorsSink } from './safetensors.js'
import { scratchFolder, type ScratchFolder } from './scratch.js'

let folder = ''
let calibration: tf.Tensor2D[] = []

beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await temporaryFolder()
  calibration = picoBatches()
})
afterAll(async () => {
  tf.dispose(calibration)
  await rm(folder, { recursive: true, force: true })
})

/** Masks half of a matrix. */
const halve: Method = {
  kind: 'method',
  name: 'halve',
  apply: (_w, { current, warn }) => {
    warn('half of it')
    const [rows, columns] = current.shape
    return maskedOf(
      Uint8Array.from({ length: rows * columns }, (_, i) => i % 2),
      current,
    )
  },
}
const total = { init: () => tf.scalar(0) as tf.Tensor, update: (sum: any, x: tf.Tensor) => tf.add(sum, tf.sum(x)) as tf.Tensor }
/** Makes every weight depend on what the site has seen, and on the seed. */
const blend: Method = {
  kind: 'method',
  name: 'blend',
  options: { strength: 3 },
  calibrate: total,
  apply: async (weight, { stats, rng }) => {
    const [seen] = await (stats as unknown as tf.Tensor).data()
    const values = await weight.data()
    return fromFloat32(
      values.map(value => value * Math.tanh(seen + rng.normal())),
      'f32',
      weight.shape,
    )
  },
}
const STEPS = pipeline(halve, pipeline(blend, blend))

/** Fails at the site, once so many stages are done. */
const failingAt = (site: string, error: unknown): Method => ({
  ...blend,
  apply: (weight, job) => (job.site.name === site ? Promise.reject(error) : blend.apply(weight, job)),
})

const FINGERPRINT = { seed: '4' }
/** Writes checkpoints as a training does: two units in turn. */
const writeInTurn = async (scratch: ScratchFolder): Promise<void> => {
  await scratch.begin(FINGERPRINT, false)
  for (const value of [1, 2, 3, 4]) {
    const written = await scratch.save(value % 2 ? 'odd' : 'even', new Map([['w', fromFloat32(Float32Array.of(value), 'f32', [1])]]), [])
    await written.close?.()
  }
}
/** What a checkpoint of them holds, or the code of the error that it gives. */
const valueIn = async (scratch: ScratchFolder, unit: string): Promise<number | string> => {
  try {
    const params = (await scratch.find(unit))?.params
    if (!params) return 'nothing'
    const { bytes } = (await params.read('w')) as Dense
    await params.close?.()
    return new Float32Array(bytes.slice().buffer)[0]
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}

let runs = 0
const place = (): string => join(folder, `run-${runs++}`)

/** Runs and gives the bytes of the file, with what was reported. */
const run = async (options: RunOptions = {}, steps = STEPS) => {
  const path = join(folder, `out-${runs++}.safetensors`)
  const events: ProgressEvent[] = []
  const small = await compress(picoModel(), steps, {
    calibration,
    seed: 4,
    onProgress: event => events.push(event),
    sink: () => safetensorsSink(path),
    ...options,
  })
  await small.params.close?.()
  return { bytes: await readFile(path), events }
}

/** What a run that nothing stops gives. */
let whole: Awaited<ReturnType<typeof run>>
beforeAll(async () => void (whole = await run()))

/** The events that say what became of the model. */
const findings = (events: readonly ProgressEvent[]) => events.filter(({ type }) => ['pass', 'compressed', 'warning'].includes(type))

/** A run that is stopped with an error at a site of the last step; the steps look the same as those of `run`. */
const stop = async (scratch: string, error: unknown, options: Partial<RunOptions> = {}): Promise<string> =>
  failure(() => run({ scratch: scratchFolder(scratch), ...options }, pipeline(halve, pipeline(blend, failingAt('layers.1', error)))))

describe('a run with a scratch folder', () => {
  it('gives the bytes and the events of one in memory, with and without activations on the disk, and leaves nothing', async () => {
    const before = tf.memory().numTensors
    for (const activationBytes of [undefined, 0, 10_000]) {
      const scratch = place()
      const spilled = await run({ scratch: scratchFolder(scratch), ...(activationBytes === undefined ? {} : { activationBytes }) })
      expect(spilled.bytes).toEqual(whole.bytes)
      expect(spilled.events).toEqual(whole.events)
      expect(await readdir(folder)).not.toContain(scratch.split('/').at(-1))
    }
    expect(tf.memory().numTensors).toBe(before)
  })

  it('keeps results between steps and stages as safetensors files, and activations past the limit in one file', async () => {
    const scratch = place()
    const seen = new Set<string>()
    const onProgress = (): void => void readdirSync(scratch).forEach(name => seen.add(name))
    const disk = failingFileSystem({})
    const rename: typeof disk.rename = async (from, to) => {
      await disk.rename(from, to)
      seen.add(basename(to)) // the last ones are gone before another event tells of them
    }
    await run({ scratch: scratchFolder(scratch, { fileSystem: { ...disk, rename } }), activationBytes: 0, onProgress })
    expect([...seen].filter(name => !/partial|new$/.test(name)).sort()).toEqual([
      ...['journal', 'lock', 'spill-0', 'spill-1'],
      ...['0-0', '0-1', '1.0-0', '1.0-1', '1.1-0', '1.1-1'].map(unit => `unit-${unit}.safetensors`),
    ])
  })
})

describe('resuming', () => {
  it('goes on after the last finished stage to the same bytes, tells again what was found, and runs no finished site twice', async () => {
    for (const activationBytes of [2 ** 20, 0]) {
      const scratch = place()
      expect(await stop(scratch, new Error('killed'), { activationBytes })).toContain('killed')
      let applied = 0
      const counted = { ...blend, apply: (...args: Parameters<Method['apply']>) => (applied++, blend.apply(...args)) }
      const options = { scratch: scratchFolder(scratch), resume: true, activationBytes }
      const resumed = await run(options, pipeline(halve, pipeline(counted, counted)))
      expect(resumed.bytes).toEqual(whole.bytes)
      expect(applied).toBe(1)
      expect(findings(resumed.events)).toEqual(findings(whole.events))
      expect(resumed.events.filter(({ type }) => type === 'resumed')).toHaveLength(5)
    }
  })

  it('does not compute outputs of stages for a step that is finished', async () => {
    const scratch = place()
    await stop(scratch, new Error('killed'))
    let runsOfFirst = 0
    const model = picoModel()
    const [first, second] = model.stages
    const counting = {
      ...model,
      stages: [{ ...first, run: (...args: Parameters<typeof first.run>) => (runsOfFirst++, first.run(...args)) }, second],
    }
    await compress(counting, STEPS, { calibration, seed: 4, scratch: scratchFolder(scratch), resume: true })
    expect(runsOfFirst).toBe(calibration.length) // for the second stage of the last step alone
  })

  it('survives being stopped again and again', async () => {
    const scratch = place()
    await stop(scratch, new Error('once'))
    for (const reason of ['twice', 'a third time']) expect(await stop(scratch, new Error(reason), { resume: true })).toContain(reason)
    expect((await run({ scratch: scratchFolder(scratch), resume: true })).bytes).toEqual(whole.bytes)
  })

  it('goes on after an abort, at any stage', async () => {
    const count = whole.events.filter(({ type }) => type === 'stage').length
    for (let stage = 1; stage < count; stage += process.env.TERSOR_SLOW === '1' ? 1 : 2) {
      const scratch = place()
      const controller = new AbortController()
      let started = 0
      const onProgress = (event: ProgressEvent): void => {
        if (event.type === 'stage' && started++ === stage) controller.abort(new Error('enough'))
      }
      const before = tf.memory().numTensors
      expect(await failure(() => run({ scratch: scratchFolder(scratch), signal: controller.signal, onProgress }))).toContain('enough')
      expect(tf.memory().numTensors).toBe(before)
      expect((await run({ scratch: scratchFolder(scratch), resume: true })).bytes).toEqual(whole.bytes)
    }
  })

  it('ignores a torn last record, and what a killed stage left', async () => {
    const scratch = place()
    await stop(scratch, new Error('killed'))
    const journal = join(scratch, 'journal')
    const text = await readFile(journal, 'utf8')
    await writeFile(journal, text.slice(0, -20))
    await writeFile(join(scratch, 'spill-0'), 'x')
    await writeFile(join(scratch, 'unit-1.1-0.safetensors.partial-1'), 'x')
    expect((await run({ scratch: scratchFolder(scratch), resume: true })).bytes).toEqual(whole.bytes)
  })

  it('finds a checkpoint of the two that are written in turn, wherever it is killed', async () => {
    const seen = new Set<number | string>()
    for (let dies = 0; ; dies++) {
      const path = place()
      const { fileSystem, died } = dyingFileSystem(dies)
      const killed = scratchFolder(path, { fileSystem })
      await writeInTurn(killed).catch(() => {})
      const finished = killed.finished()
      await killed.close().catch(() => {})
      await rm(join(path, 'lock'), { force: true }) // this process lives
      if (finished > 0) {
        const scratch = scratchFolder(path)
        await scratch.begin(FINGERPRINT, true)
        const found = [await valueIn(scratch, 'odd'), await valueIn(scratch, 'even')]
        expect(Math.max(...found.filter(value => typeof value === 'number'))).toBeGreaterThanOrEqual(Math.max(1, finished - 1))
        for (const value of found) seen.add(value)
        await scratch.close()
      }
      if (!died()) break
    }
    expect(seen).toEqual(new Set([1, 2, 3, 4, 'nothing', 'BAD_FILE']))
  })

  it('refuses a damaged journal, and a stage that is damaged or gone', async () => {
    const damage = async (unit: string): Promise<void> => {
      const bytes = await readFile(unit)
      bytes[bytes.length - 1] ^= 1
      await writeFile(unit, bytes)
    }
    for (const harm of [damage, rm]) {
      const scratch = place()
      await stop(scratch, new Error('killed'))
      const unit = join(scratch, 'unit-0-1.safetensors')
      await harm(unit)
      const resume = () => run({ scratch: scratchFolder(scratch), resume: true })
      expect(await failure(resume)).toBe(`BAD_FILE: ${unit} is not what the run wrote there.\nRemove the folder and begin anew.`)
    }

    const other = place()
    await stop(other, new Error('killed'))
    const journal = join(other, 'journal')
    await writeFile(journal, (await readFile(journal, 'utf8')).replace('half of it', 'half of IT'))
    expect(await failure(() => run({ scratch: scratchFolder(other), resume: true }))).toContain('BAD_FILE: Record 2 of ')
  })
})

describe('a run goes on only as it was begun', () => {
  const scratch = () => scratchFolder(join(folder, 'fixed'))
  beforeAll(() => stop(join(folder, 'fixed'), new Error('killed'), { facts: { threads: '2' } }))

  const resume = (options: RunOptions, steps = STEPS, model = picoModel()) =>
    failure(() => compress(model, steps, { calibration, seed: 4, facts: { threads: '2' }, scratch: scratch(), resume: true, ...options }))
  const remedy = 'Run it as it was begun, or remove the folder to begin anew.'
  const begun = (what: string) => `RESUME: The run in ${join(folder, 'fixed')} was begun with another ${what}.\n${remedy}`

  it('names another seed, fact, pipeline, calibration or model', async () => {
    expect(await resume({ seed: 5 })).toBe(begun('seed: 4 then, 5 now'))
    expect(await resume({ facts: { threads: '4' } })).toBe(begun('threads: 2 then, 4 now'))
    expect(await resume({ facts: {} })).toBe(begun('threads: 2 then, nothing now'))
    const twice = pipeline(halve, pipeline(blend, { ...blend, options: { strength: 4 } }))
    expect(await resume({}, twice)).toContain('was begun with another pipeline: [{"step":"halve"},')
    expect(await resume({}, pipeline(halve, { ...blend, only: 'layers.0' }))).toContain('another pipeline')
    expect(await resume({ calibration: calibration.slice(1) })).toBe(begun('calibration'))
    expect(await resume({}, STEPS, picoModel({ edit: values => (values[3] += 1e-6) }))).toBe(begun('model'))
    expect(await resume({}, STEPS, picoModel({ dtype: 'f16' }))).toBe(begun('model'))
    expect(await resume({ seed: 5, calibration: calibration.slice(1) })).toContain('another seed, calibration: 4 then, 5 now.')
  })

  it('names another engine and another version', async () => {
    const journal = join(folder, 'fixed', 'journal')
    const { encodeRecord, parseJournal } = await import('./scratch/journal.js')
    const [begin] = parseJournal(await readFile(journal, 'utf8'), journal).records as any[]
    const kept = await readFile(journal)
    for (const [part, value, now] of [
      ['engine', 'wasm', 'cpu'],
      ['version', '0.0.1', begin.fingerprint.version],
    ]) {
      await writeFile(journal, encodeRecord({ ...begin, fingerprint: { ...begin.fingerprint, [part]: value } }, '').line)
      expect(await resume({})).toBe(begun(`${part}: ${value} then, ${now} now`))
    }
    await writeFile(journal, encodeRecord({ ...begin, version: 2 }, '').line)
    expect(await resume({})).toContain('was begun by another version of Tersor.\nRemove it to begin anew.')
    await writeFile(journal, kept)
  })

  it('and a new one does not run over it', async () => {
    const path = join(folder, 'fixed')
    const text = `RESUME: ${path} holds a run that was stopped.\nGo on with resume (--resume), or remove it to begin anew.`
    expect(await resume({ resume: false })).toBe(text)
  })

  it('and leaves the stopped run as it was', async () => {
    expect((await run({ scratch: scratch(), resume: true, facts: { threads: '2' } })).bytes).toEqual(whole.bytes)
  })
})

describe('what is refused', () => {
  it('resuming where nothing was stopped, or without a place', async () => {
    const path = place()
    const nothing = `RESUME: There is no stopped run in ${path}.\nLeave resume (--resume) out to begin one.`
    expect(await failure(() => run({ scratch: scratchFolder(path), resume: true }))).toBe(nothing)
    expect(await failure(() => run({ resume: true }))).toContain('BAD_OPTION: resume needs the folder of the run that stopped.\n')
    expect(await failure(() => run({ scratch: scratchFolder(path), activationBytes: NaN }))).toContain('activationBytes is NaN.\n')
    const facts = { seed: '1' }
    expect(await failure(() => run({ scratch: scratchFolder(path), facts }))).toContain('facts has a fact called "seed".\nChoose another')
  })

  it("a folder with other people's files", async () => {
    const path = await temporaryFolder()
    await writeFile(join(path, 'thesis.txt'), 'x')
    const text = `OUTPUT_EXISTS: ${path} exists and holds thesis.txt.\nChoose another path for unfinished work.`
    expect(await failure(() => run({ scratch: scratchFolder(path, { overwrite: true }) }))).toBe(text)
    expect(await readdir(path)).toEqual(['thesis.txt'])
    await rm(path, { recursive: true })
  })

  it('nothing where overwrite throws a stopped run away', async () => {
    const path = place()
    await stop(path, new Error('killed'))
    expect((await run({ scratch: scratchFolder(path, { overwrite: true }), seed: 9 })).bytes).toEqual((await run({ seed: 9 })).bytes)
  })
})

describe('a failure', () => {
  it('that would come again leaves nothing', async () => {
    const path = place()
    const broken: Method = { ...halve, apply: weight => factoredOf(fromFloat32(new Float32Array(weight.shape[0]), 'f32', [weight.shape[0], 1]), fromFloat32(new Float32Array(weight.shape[1]), 'f32', [1, weight.shape[1]])) } // prettier-ignore
    expect(await failure(() => run({ scratch: scratchFolder(path) }, pipeline(broken, blend)))).toContain('COMPOSITION')
    expect(await readdir(folder)).not.toContain(path.split('/').at(-1))
  })

  it('of a full disk keeps finished stages, says so, and is gone on with when there is room', async () => {
    const path = place()
    let text = ''
    for (const capacity of [100, 9_000, 14_000, 24_000]) {
      const scratch = scratchFolder(path, { fileSystem: failingFileSystem({ capacity }), overwrite: true })
      text = await failure(() => run({ scratch, activationBytes: 0 }))
      expect(text).toMatch(/^DISK: .*no space left on device/)
    }
    expect(text).toMatch(/finished stages are kept in .*: run it again with resume \(--resume\) to go on\.$/)
    expect(text.split('\n')).toHaveLength(2)
    expect((await run({ scratch: scratchFolder(path), resume: true })).bytes).toEqual(whole.bytes)
  })

  it('of the result that exists by now keeps the work', async () => {
    const path = place()
    const target = join(folder, 'taken.safetensors')
    const sink = () => safetensorsSink(target)
    await writeFile(target, 'x')
    expect(await failure(() => run({ scratch: scratchFolder(path), sink }))).toContain('OUTPUT_EXISTS')
    expect(await scratchFolder(path).state()).toBe('begun')
    await rm(target)
    const small = await compress(picoModel(), STEPS, { calibration, seed: 4, scratch: scratchFolder(path), resume: true, sink })
    await small.params.close?.()
    expect(await readFile(target)).toEqual(whole.bytes)
  })
})

it('goes on from stages whose trees are of any codec of core', async () => {
  const tree = (values: Float32Array, shape: readonly number[]): Parameter =>
    encoded(ranged, shape, { data: fromIntegers(values.map(value => Math.abs(100 * value)), 'u8', shape), scale: powersOf(new Uint8Array(shape[0]).fill(126), [shape[0], 1]) }, { group: shape[1] }) // prettier-ignore
  const coded: Method = { kind: 'method', name: 'coded', apply: async weight => tree(await weight.data<'float32'>(), weight.shape) }
  const failing: Method = { ...coded, apply: (weight, job) => (job.site.name === 'layers.1' ? Promise.reject(new Error('killed')) : coded.apply(weight, job)) } // prettier-ignore
  const path = place()
  await failure(() => run({ scratch: scratchFolder(path) }, pipeline(failing)))
  expect((await run({ scratch: scratchFolder(path), resume: true }, pipeline(coded))).bytes).toEqual((await run({}, pipeline(coded))).bytes)
})

it('brings trees back as they were written', async () => {
  const path = place()
  await stop(path, new Error('killed'))
  const values = async (parameter: Parameter): Promise<number[]> => {
    const tensor = decode(parameter)
    const list = [...(await tensor.data())]
    tensor.dispose()
    return list
  }
  const inMemory = await compress(picoModel(), STEPS, { calibration, seed: 4 })
  const resumed = await compress(picoModel(), STEPS, { calibration, seed: 4, scratch: scratchFolder(path), resume: true })
  for (const name of inMemory.params.names())
    expect(await values(await resumed.params.read(name))).toEqual(await values(await inMemory.params.read(name)))
  expect(resumed.provenance).toEqual(inMemory.provenance)
})
