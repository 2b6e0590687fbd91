import * as tf from '@tensorflow/tfjs-core'
import { adam, callText, createRng, train, type Batch, type Made, type Model, type Term, type TrainOptions } from '@tersor/core'
import { abortEverywhere, watchedRun } from './abort-everywhere.js'
import { picoModel } from './pico-model.js'
import { bytesOfModel } from './trees.js'
import { useEngine } from './use-engine.js'

export interface TermSuite {
  /** Networks of one form, another for each seed; `picoModel` where absent. */
  readonly model?: (seed: number) => Model
  /** The batch of a step; rows of 16 numbers and one of 8 classes each where absent. */
  readonly data?: TrainOptions['data']
  /** Whether it is 0 where student and teacher are the same; true where absent. */
  readonly zero?: boolean
  /** Whether it needs a teacher; true where absent. */
  readonly taught?: boolean
}

const rows: TrainOptions['data'] = (_step, rng): Batch => ({
  input: tf.tensor2d(Float32Array.from({ length: 8 * 16 }, rng.normal), [8, 16]),
  target: tf.tensor1d(Int32Array.from({ length: 8 }, () => rng.integer(8)), 'int32'), // prettier-ignore
})

/** The promises that every term of a training keeps; call it first in the term's test. */
export const describeTerm = (
  make: () => Term & Made,
  { model = seed => picoModel({ seed }), data = rows, zero = true, taught = true }: TermSuite = {},
): void => {
  const options = (): TrainOptions => ({
    ...{ objective: make(), teacher: model(9), data, steps: 6, seed: 3 },
    transform: adam({ learningRate: 0.02 }),
  })
  const lossesOf = async (more: Partial<TrainOptions> = {}): Promise<number[]> => {
    const losses: number[] = []
    await train(model(1), { ...options(), ...more, onProgress: event => event.type === 'trained' && losses.push(event.loss) })
    return losses
  }
  describe(`${callText(make())} as a term`, () => {
    useEngine()

    it(taught ? 'is learned from a teacher' : 'is learned', async () => {
      const losses = await lossesOf({ data: (_step, _rng, withWeights) => data(0, createRng(4), withWeights) }) // one batch again and again
      expect(losses.every(Number.isFinite)).toBe(true)
      expect(losses[5]).toBeLessThan(losses[0])
    })

    it(zero ? 'is nothing between equals' : 'is a number between equals', async () => {
      const [loss] = await lossesOf({ teacher: model(1), steps: 1 })
      if (zero) expect(Math.abs(loss)).toBeLessThan(1e-5)
      else expect(loss).toBeGreaterThan(0)
    })

    it('gives the same bytes for the same seed, and leaves no tensor behind, whenever it is aborted', async () => {
      const run = (more: Partial<TrainOptions>) => train(model(1), { ...options(), steps: 2, ...more })
      const [first, again] = [await run({}), await watchedRun(run)]
      expect(await bytesOfModel(first)).toEqual(await bytesOfModel(again.result))
      await abortEverywhere(again, run)
    })

    it(taught ? 'says that it needs a teacher' : 'needs no teacher', async () => {
      const { teacher: _none, ...alone } = options()
      const trained = train(model(1), { ...alone, steps: 1 })
      if (taught) await expect(trained).rejects.toMatchObject({ code: 'BAD_OPTION' })
      else expect((await trained).params.names()).toEqual(model(1).params.names())
    })
  })
}
