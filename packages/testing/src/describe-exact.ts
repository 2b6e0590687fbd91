import * as tf from '@tensorflow/tfjs-core'
import { affineOf, compress, pipeline, sumOf, type Method, type Model, type Pass, type ProgressEvent, type Step } from '@tersor/core'
import { fromFloat32 } from '@tersor/tensor'
import { picoBatches, picoModel } from './pico-model.js'
import { outputOf, relativeError, titleOf } from './trees.js'
import { useEngine } from './use-engine.js'

export interface ExactSuite {
  /** The model it works on; `picoModel` where absent. */
  readonly model?: () => Model
  /** Batches for it, which the suite disposes; `picoBatches` where absent. */
  readonly calibration?: () => tf.Tensor[]
  /** How far outputs may be off, as ‖y − ŷ‖ / ‖y‖; 1e-4 where absent. */
  readonly tolerance?: number
  /** What compresses after it, and what repairs that: rounding of each row to 4 bits, and all that was lost, where absent. */
  readonly method?: () => Method
  readonly repair?: () => Method
  /** The largest error of a weight that the method may report, ‖W − Ŵ‖² / ‖W‖²; 0.02 where absent. */
  readonly weightError?: number
}

const LEVELS = 15

/** Each row on 16 levels around zero; (out, in). */
const roundRows: Method = {
  kind: 'method',
  name: 'round-rows',
  apply: async weight => {
    const [rows, columns] = weight.shape
    const values = await weight.data<'float32'>()
    const scales = Array.from({ length: rows }, (_, row) => {
      const largest = values.subarray(row * columns, (row + 1) * columns).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      return largest === 0 ? 1 : Math.fround((2 * largest) / LEVELS)
    })
    const codes = Uint8Array.from(values, (value, i) =>
      Math.max(0, Math.min(LEVELS, 8 + Math.round(value / scales[Math.floor(i / columns)]))),
    )
    return affineOf({ shape: [rows, columns], bits: 4, group: columns, codes, scales })
  },
}

/** Adds all that was lost: nothing is lost afterwards, if what it is compared with is what the pass made. */
const addWhatWasLost: Method = {
  kind: 'method',
  name: 'add-what-was-lost',
  rewrites: 'whole',
  apply: async (weight, job) => {
    const original = await job.original()
    const lost = tf.sub(original, weight)
    try {
      return sumOf(job.current, fromFloat32(await lost.data<'float32'>(), 'f32', weight.shape))
    } finally {
      tf.dispose([original, lost])
    }
  },
}

/** The promises of a pass that says `exact`: the same function, and what later steps compare with. Call it besides `describePass`. */
export const describeExact = (
  make: () => Pass,
  { model = picoModel, calibration = picoBatches, tolerance = 1e-4, weightError = 0.02, ...given }: ExactSuite = {},
): void => {
  const { method = () => roundRows, repair = () => addWhatWasLost } = given

  describe(`${titleOf(make())} as an exact pass`, () => {
    useEngine()
    let batches: tf.Tensor[] = []
    let source: Model
    let expected: Float32Array
    beforeAll(async () => {
      batches = calibration()
      source = model()
      expected = await outputOf(source, batches[0])
    })
    afterAll(() => tf.dispose(batches))

    const errorsOf = async (...steps: Step[]): Promise<{ readonly output: number; readonly weight: number }> => {
      let weight = 0
      const onProgress = (event: ProgressEvent) => void (event.type === 'compressed' && (weight = Math.max(weight, event.error)))
      const result = await compress(source, pipeline(...steps), { calibration: batches, seed: 3, onProgress })
      return { output: relativeError(expected, await outputOf(result, batches[0])), weight }
    }

    it('says that it is exact, and computes what the model computed', async () => {
      expect(make().exact).toBe(true)
      expect((await errorsOf(make())).output).toBeLessThan(tolerance)
    })

    it('is what later steps compare with: a repair gives back what rounding took, and no more', async () => {
      const rounded = await errorsOf(make(), method())
      const repaired = await errorsOf(make(), method(), repair())
      expect(rounded.weight).toBeLessThan(weightError)
      expect(repaired.weight).toBeLessThan(weightError)
      expect(repaired.output).toBeLessThanOrEqual(rounded.output + tolerance)
    })
  })
}
