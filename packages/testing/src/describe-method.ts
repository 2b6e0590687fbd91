import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Method, type Model, type ProgressEvent } from '@tersor/core'
import { byteLength } from '@tersor/tensor'
import { abortEverywhere, watchedRun } from './abort-everywhere.js'
import { picoBatches, picoModel } from './pico-model.js'
import { bytesOfTree, everySecond, titleOf, valuesOfParameter as valuesOf } from './trees.js'
import { useEngine } from './use-engine.js'

export interface MethodSuite {
  /** The method at an option that changes nothing, such as sparsity 0 or full rank; its output must equal the input. */
  readonly neutral?: () => Method
  /** How far the neutral result may be off, relative to 1 + |w|; 2e-3 where absent. */
  readonly tolerance?: number
  /** Whether the result takes fewer bytes as it stands; masks do so only once packed. */
  readonly smaller?: boolean
  /** A step that must run before, for methods that repair what another did. */
  readonly after?: () => Method
}

const FIRST = 'layers.0.weight'
const SECOND = 'layers.1.weight'

/** The promises that every method keeps; call it first in the method's test. */
export const describeMethod = (make: () => Method, { neutral, tolerance = 2e-3, smaller = true, after }: MethodSuite = {}): void => {
  const steps = (...last: Method[]) => pipeline(...(after ? [after()] : []), ...last)
  const run = (model: Model, step = steps(make()), extra: { signal?: AbortSignal; onProgress?: (event: ProgressEvent) => void } = {}) =>
    compress(model, step, { calibration: batches, seed: 3, ...extra })
  let batches: tf.Tensor2D[] = []
  const wholeRun = async () => {
    const source = picoModel()
    const watched = await watchedRun(watching => run(source, steps(make()), watching))
    return { source, watched, result: watched.result }
  }
  let made: ReturnType<typeof wholeRun> | undefined
  /** One run that several tests look at. */
  const whole = () => (made ??= wholeRun())

  describe(`${titleOf(make())} as a method`, () => {
    useEngine()
    beforeAll(() => void (batches = picoBatches()))
    afterAll(() => tf.dispose(batches))

    it('gives the same bytes for the same seed', async () => {
      const [a, b] = [await whole(), await run(picoModel())]
      for (const name of [FIRST, SECOND])
        expect(bytesOfTree(await a.result.params.read(name))).toEqual(bytesOfTree(await b.params.read(name)))
    })

    it('leaves other sites unmoved', async () => {
      const chosen: Method = { ...make(), only: 'layers.1' }
      const result = await run(picoModel(), steps(chosen))
      const expected = after ? await run(picoModel(), pipeline(after())) : picoModel()
      expect(bytesOfTree(await result.params.read(FIRST))).toEqual(bytesOfTree(await expected.params.read(FIRST)))
    })

    it('decodes to the shape of the weight, finite and smaller', async () => {
      const { source, result } = await whole()
      for (const name of [FIRST, SECOND]) {
        const parameter = await result.params.read(name)
        expect(parameter.shape).toEqual(source.params.info(name).shape)
        const values = await valuesOf(result, name)
        expect(values.every(Number.isFinite)).toBe(true)
        if (smaller) expect(byteLength(parameter)).toBeLessThan(source.params.info(name).byteLength)
      }
    })

    if (neutral) {
      it('changes nothing at its neutral option', async () => {
        const source = picoModel()
        const result = await run(source, steps(neutral()))
        for (const name of [FIRST, SECOND]) {
          const [before, now] = [await valuesOf(source, name), await valuesOf(result, name)]
          const isNear = (value: number, i: number) => Math.abs(value - before[i]) < tolerance * (1 + Math.abs(before[i]))
          expect([...now].filter((value, i) => !isNear(value, i))).toEqual([])
        }
      })
    }

    it('leaves no tensor behind, whenever it is aborted', async () => {
      const { source, watched } = await whole()
      await abortEverywhere(watched, stopping => run(source, steps(make()), stopping))
    })

    it('leaves a usable weight where no input came by in calibration', async () => {
      if (!make().calibrate) return
      const silent = batches.map(batch => tf.zerosLike(batch))
      const warnings: string[] = []
      const onProgress = (event: ProgressEvent) => void (event.type === 'warning' && warnings.push(event.message))
      const source = picoModel()
      const result = await compress(source, steps(make()), { calibration: silent, seed: 3, onProgress })
      tf.dispose(silent)
      const [before, now] = [await valuesOf(source, FIRST), await valuesOf(result, FIRST)]
      const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value * value, 0)
      expect(sum(before.map((value, i) => value - now[i])) / sum(before)).toBeLessThan(0.5)
      expect(warnings).toContain('next to no input came by in calibration: compressed by its weights alone.')
    })

    it('keeps removed weights removed when it follows a mask', async () => {
      if (make().rewrites === 'whole') return
      const values = await valuesOf(await run(picoModel(), steps(everySecond, make())), FIRST)
      expect(values.filter((value, i) => i % 2 === 0 && value !== 0)).toEqual([])
    })

    it('accepts bf16 weights and a row of zeros', async () => {
      const result = await run(picoModel({ dtype: 'bf16', edit: values => values.fill(0, 0, 16) }))
      expect((await valuesOf(result, FIRST)).every(Number.isFinite)).toBe(true)
    })

    it('tells NaN in a weight', async () => {
      const broken = picoModel({ edit: values => (values[5] = NaN) })
      await expect(run(broken)).rejects.toMatchObject({ code: 'NOT_FINITE', message: expect.stringContaining('layers.0.weight') })
    })
  })
}
