import * as tf from '@tensorflow/tfjs-core'
import { compress, pipeline, type Model, type Step } from '@tersor/core'
import { hasCode } from '@tersor/tensor'
import { picoBatches, picoModel } from './pico-model.js'
import { outputOf, relativeError } from './trees.js'
import { useEngine } from './use-engine.js'

export interface PairsSuite {
  /** The model that all work on; `picoModel` where absent. */
  readonly model?: () => Model | Promise<Model>
  /** Batches for it, which the suite disposes; `picoBatches` where absent. */
  readonly calibration?: () => tf.Tensor[]
  /** A pair may be so many times worse than the worse of its steps; 1.5 where absent: errors that know nothing of each other add to √2. */
  readonly tolerance?: number
  /** One line for each step: its name, and for each step behind it "+" where the pair runs and "-" where it refuses. */
  readonly table: string
}

/** What float32 alone loses on the way through a network. */
const NOISE = 1e-3

/** All ordered pairs of steps: each refuses with COMPOSITION, or its outputs are no worse than those of the worse step alone. */
export const describePairs = (
  name: string,
  steps: Readonly<Record<string, () => Step>>,
  { model = picoModel, calibration = picoBatches, tolerance = 1.5, table }: PairsSuite,
): void => {
  const names = Object.keys(steps)
  const width = Math.max(...names.map(name => name.length))

  describe(`pairs of steps on ${name}`, () => {
    useEngine()
    let batches: tf.Tensor[] = []
    let source: Model
    let expected: Float32Array
    const alone = new Map<string, number | undefined>()

    /** The error of the outputs, ‖y − ŷ‖ / ‖y‖; nothing where the steps refuse to stand in this order. */
    const errorOf = async (...chosen: readonly string[]): Promise<number | undefined> => {
      const step = pipeline(...chosen.map(name => steps[name]()))
      try {
        const result = await compress(source, step, { calibration: batches, seed: 3 })
        return relativeError(expected, await outputOf(result, batches[0]))
      } catch (error) {
        if (hasCode(error, 'COMPOSITION')) return undefined
        throw error
      }
    }

    beforeAll(async () => {
      batches = calibration()
      source = await model()
      expected = await outputOf(source, batches[0])
      for (const name of names) alone.set(name, await errorOf(name))
    })
    afterAll(() => tf.dispose(batches))

    const rows: string[] = []
    it.each(names)('%s before each is refused or no worse than the worse of the two', async first => {
      const worse: string[] = []
      let row = ''
      for (const second of names) {
        const error = await errorOf(first, second)
        row += error === undefined ? '-' : '+'
        const most = tolerance * Math.max(alone.get(first) ?? 0, alone.get(second) ?? 0) + NOISE
        if (error !== undefined && !(error <= most)) worse.push(`${first} → ${second}: ${error.toFixed(4)}, at most ${most.toFixed(4)}`)
      }
      rows.push(`${first.padEnd(width)} ${row}`)
      expect(worse).toEqual([])
    })

    it('refuses the pairs that the table says, and no others', () => {
      expect(rows.join('\n')).toBe(table.trim())
    })
  })
}
