import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, pipeline, type Model, type ProgressEvent, type Step } from '@tersor/core'
import { eora } from '@tersor/low-rank'
import { picoLlama } from '@tersor/models'
import { outputOf, relativeError, useEngine } from '@tersor/testing'
import { awq, crossLayerEqualization, hadamard, rtn, smoothQuant } from '@tersor/quantization'

useEngine()

const model = picoLlama({ layers: 1, vocabulary: 64, seed: 5 })
let batches: tf.Tensor[] = []
beforeAll(() => {
  batches = [1, 2].map(seed =>
    tf.tensor2d(
      Int32Array.from({ length: 48 }, (_, i) => (i * (7 + seed) + seed) % 61),
      [1, 48],
      'int32',
    ),
  )
})
afterAll(() => tf.dispose(batches))

/** ‖y − ŷ‖ / ‖y‖ of the outputs, and the largest error of a weight that was reported. */
const errorsOf = async (...steps: Step[]): Promise<{ output: number; weight: number; result: Model }> => {
  let weight = 0
  const onProgress = (event: ProgressEvent) => void (event.type === 'compressed' && (weight = Math.max(weight, event.error)))
  const result = await compress(model, pipeline(...steps), { calibration: batches, seed: 2, onProgress })
  return { output: relativeError(await outputOf(model, batches[0]), await outputOf(result, batches[0])), weight, result }
}

const rounded = () => rtn({ bits: 4, group: 8 })

it.each([
  ['nothing', () => []],
  ['hadamard', () => [hadamard()]],
  ['smooth-quant', () => [smoothQuant()]],
  ['awq', () => [awq({ bits: 4, group: 8, steps: 4 })]],
  ['a pipeline in a pipeline', () => [pipeline(hadamard(), awq({ bits: 4, group: 8, steps: 4 }))]],
] as const)('repairs what rounding lost, and not what %s turned', async (_name, before) => {
  const plain = await errorsOf(...before(), rounded())
  const repaired = await errorsOf(...before(), rounded(), eora({ rank: 4 }))
  expect(plain.weight).toBeLessThan(0.01)
  expect(repaired.weight).toBeLessThan(0.01)
  expect(repaired.output).toBeLessThan(plain.output)
})

it('rounds a head that a rotation made of the embedding', async () => {
  const tied = picoLlama({ layers: 1, seed: 5, config: { tie_word_embeddings: true } })
  const result = await compress(tied, pipeline(hadamard(), rtn({ bits: 8, group: 8, only: 'lm_head' })))
  expect(result.params.info('lm_head.weight').codec).toBe('affine')
})

it('closes the stores between steps when the run ends, and never the caller’s', async () => {
  const closed: string[] = []
  const named = (name: string, of: Model): Model => ({ ...of, params: { ...of.params, close: async () => void closed.push(name) } })
  const passing = (name: string, exact: boolean): Step => ({
    ...{ kind: 'pass', name, exact },
    run: async given => named(name, given),
  })
  const steps = pipeline(passing('a', true), passing('b', false), pipeline(passing('c', true), passing('d', false)), passing('e', false))
  const result = await compress(named('source', model), steps)
  expect(closed).toEqual(['a', 'b', 'c', 'd'])
  await result.params.close?.()
  expect(closed).toEqual(['a', 'b', 'c', 'd', 'e'])
  closed.length = 0
  const failing: Step = { kind: 'pass', name: 'f', run: () => Promise.reject(new Error('no')) }
  await expect(compress(named('source', model), pipeline(passing('a', true), passing('b', false), failing))).rejects.toThrow('no')
  expect(closed).toEqual(['a', 'b'])
})

it('is said by the passes that are', () => {
  expect([hadamard(), smoothQuant(), awq(), crossLayerEqualization()].map(({ exact }) => exact)).toEqual([true, true, true, true])
})
