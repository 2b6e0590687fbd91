import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Model, type Pass, type ProgressEvent, type RunOptions, type Step } from '@tersor/core'
import { hasCode, memorySink, type ParameterSink } from '@tersor/tensor'
import { abortEverywhere, watchedRun } from './abort-everywhere.js'
import { memoryScratch } from './memory-scratch.js'
import { picoBatches, picoModel } from './pico-model.js'
import { placesTried } from './places-tried.js'
import { bytesOfModel, everySecond, outputOf, titleOf } from './trees.js'
import { useEngine } from './use-engine.js'

export interface PassSuite {
  /** The model it works on, made anew each time; `picoModel` where absent. */
  readonly model?: () => Model
  /** Batches for it, which the suite disposes; `picoBatches` where absent. */
  readonly calibration?: () => tf.Tensor[]
  /** A step that must run before, for passes that repair or pack what another did. */
  readonly after?: () => Step
  /** Whether it learns from inputs and refuses to run without. */
  readonly calibrated?: boolean
}

/** A sink that counts what it is asked for and fails at one write, counted from 1. */
const watchedSink = (failing = Infinity): { readonly sink: ParameterSink; readonly written: string[]; readonly ends: string[] } => {
  const inner = memorySink()
  const [written, ends]: [string[], string[]] = [[], []]
  return {
    written,
    ends,
    sink: {
      write: async (name, parameter) => {
        if (written.push(name) === failing) throw new Error('the disk of the test is full')
        await inner.write(name, parameter)
      },
      finish: async () => {
        ends.push('finish')
        return inner.finish()
      },
      abort: async () => {
        ends.push('abort')
        await inner.abort()
      },
    },
  }
}

/** Stops a run when a pass begins with a stage, counted from 1. */
const stoppedAt = (pass: string, stage: number): Pick<RunOptions, 'signal' | 'onProgress'> => {
  const controller = new AbortController()
  let begun = 0
  const onProgress = (event: ProgressEvent): void => {
    if (event.type === 'stage' && event.pass === pass && ++begun === stage) controller.abort(new Error('stopped by the test'))
  }
  return { signal: controller.signal, onProgress }
}

/** The promises that every pass keeps; call it first in the pass's test. */
export const describePass = (
  make: () => Pass,
  { model = picoModel, calibration = picoBatches, after, calibrated = false }: PassSuite = {},
): void => {
  let batches: tf.Tensor[] = []
  const steps = (...last: Step[]): Step => pipeline(...(after ? [after()] : []), ...last)
  const run = (options: RunOptions = {}, given = model(), step = steps(make())): Promise<Model> =>
    compress(given, step, { calibration: batches, seed: 3, ...options })

  const wholeRun = async () => {
    const source = model()
    const before = await bytesOfModel(source)
    const writing = watchedSink()
    const watched = await watchedRun(watching => run({ sink: () => writing.sink, ...watching }, source))
    return { source, before, writing, watched, result: watched.result }
  }
  let made: ReturnType<typeof wholeRun> | undefined
  /** One run that several tests look at: some passes learn. */
  const whole = () => (made ??= wholeRun())

  describe(`${titleOf(make())} as a pass`, () => {
    useEngine()
    beforeAll(() => void (batches = calibration()))
    afterAll(() => tf.dispose(batches))

    it('gives the same bytes for the same seed and leaves the model it was given as it was', async () => {
      const { source, before, result } = await whole()
      expect(await bytesOfModel(await run({}, source))).toEqual(await bytesOfModel(result))
      expect(await bytesOfModel(source)).toEqual(before)
    })

    it('is told in the provenance, and leaves a network that runs', async () => {
      const { result } = await whole()
      expect(result.provenance?.at(-1)).toMatchObject({ method: make().name, seed: 3 })
      expect((await outputOf(result, batches[0])).every(Number.isFinite)).toBe(true)
      expect(new Set(result.params.names()).size).toBe(result.params.names().length)
      const asked = result.stages.flatMap(stage => stage.parameters)
      expect(result.params.names()).toEqual(expect.arrayContaining(asked))
    })

    it('leaves no tensor behind, whenever it is aborted', async () => {
      const { source, watched } = await whole()
      await abortEverywhere(watched, stopping => run(stopping, source))
      const reason = new Error('before it began')
      await expect(run({ signal: AbortSignal.abort(reason) }, source)).rejects.toBe(reason)
    })

    it('writes each parameter once, and gives a sink up that fails at any write', async () => {
      const { source, result, writing } = await whole()
      const before = tf.memory().numTensors
      expect([...writing.written].sort()).toEqual([...result.params.names()].sort())
      expect(writing.ends).toEqual(['finish'])
      for (const failing of placesTried(writing.written.length, 2)) {
        const full = watchedSink(failing)
        await expect(run({ sink: () => full.sink }, source)).rejects.toThrow('the disk of the test is full')
        expect(full.ends).toEqual(['abort'])
        expect(tf.memory().numTensors).toBe(before)
      }
    })

    it('goes on to the same bytes where it was stopped behind its first stage', async () => {
      const { name } = make()
      const { source, result, watched } = await whole()
      const bytes = await bytesOfModel(result)
      const scratch = memoryScratch()
      const stages = watched.events.filter(event => event.type === 'stage' && event.pass === name)
      // a pass that looks at the whole model is made anew, and one stage leaves nothing to go on with
      if (stages.length < 2) return expect(await bytesOfModel(await run({ scratch }, source))).toEqual(bytes)
      await expect(run({ scratch, ...stoppedAt(name, 2) }, source)).rejects.toThrow('stopped by the test')
      const resumed: string[] = []
      const onProgress = (event: ProgressEvent): void => void (event.type === 'resumed' && event.pass === name && resumed.push(event.stage))
      expect(await bytesOfModel(await run({ scratch, resume: true, onProgress }, source))).toEqual(bytes)
      expect(resumed).toHaveLength(1)
    })

    it(calibrated ? 'refuses to run without calibration' : 'runs without calibration', async () => {
      const { calibration: _none, ...options } = { calibration: undefined, seed: 3 }
      const outcome = await compress(model(), make(), options).then(
        () => undefined,
        (error: { readonly code?: string }) => error.code ?? String(error),
      )
      // what comes after another step may say first that the step is missing
      const allowed = calibrated ? ['NO_CALIBRATION'] : [undefined]
      expect(after ? [...allowed, 'COMPOSITION'] : allowed).toContain(outcome)
    })

    it('follows a mask or refuses in so many words', async () => {
      const result = await run({}, model(), pipeline(everySecond, make())).catch((error: unknown) => {
        if (hasCode(error, 'COMPOSITION')) return undefined
        throw error
      })
      if (result) expect((await outputOf(result, batches[0])).every(Number.isFinite)).toBe(true)
    })
  })
}
