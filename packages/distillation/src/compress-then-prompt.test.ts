import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { affineFrom, compress, forward, loadModel, pipeline, PROMPT, withPrompt, type Method, type Model } from '@tersor/core'
import { selectEngine } from '@tersor/kernels'
import { picoLlama } from '@tersor/models'
import { bytesOfModel, describePass, picoBatches, picoModel } from '@tersor/testing'
import { byteLength, type Dense } from '@tersor/tensor'
import { compressThenPrompt } from './compress-then-prompt.js'

/** So few bits for rows of eight. */
const rounded = (bits: number): Method => ({
  kind: 'method',
  name: 'rounded',
  apply: async weight => affineFrom(await weight.data<'float32'>(), weight.shape, { bits, symmetric: true, group: 8, joint: false }),
})
const coarse = rounded(2)

const llama = () => picoLlama({ layers: 1, vocabulary: 32, seed: 5 })
/** Texts that go round. */
const texts = (): tf.Tensor[] =>
  [0, 1, 2].map(
    shift =>
    tf.tensor2d(Int32Array.from({ length: 48 }, (_, i) => (3 * i + shift) % 11), [4, 12], 'int32'), // prettier-ignore
  )

describePass(() => compressThenPrompt({ vectors: 3, steps: 3, rows: 4 }), { model: llama, calibration: texts, calibrated: true })

let calibration: tf.Tensor[] = []
beforeAll(() => void (calibration = texts()))
afterAll(() => tf.dispose(calibration))

/** The surprise at the tokens of the first texts. */
const surpriseOf = async (model: Model): Promise<number> => {
  const { weights, dispose } = await loadModel(model)
  const surprise = tf.tidy(() => {
    const logits = tf.slice(forward(model, calibration[0], { weights }), [0, 0, 0], [-1, 11, -1])
    const next = tf.oneHot(tf.cast(tf.slice(calibration[0], [0, 1], [-1, -1]), 'int32') as tf.Tensor2D, 32)
    return tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), next), -1)))
  })
  const [value] = await surprise.data()
  dispose()
  surprise.dispose()
  return value
}

it('learns to prompt a compressed model, which stays bit for bit', async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  const small = await compress(llama(), coarse)
  const taught = await compress(llama(), pipeline(coarse, compressThenPrompt({ vectors: 8, steps: 25, rows: 4, rate: 0.2 })), { calibration }) // prettier-ignore
  expect(await surpriseOf(taught)).toBeLessThan(0.8 * (await surpriseOf(small)))
  const { [PROMPT]: prompt, ...others } = await bytesOfModel(taught) as Record<string, unknown> // prettier-ignore
  expect(prompt).toBeDefined()
  expect(others).toEqual(await bytesOfModel(small))
  // and helps another compression of the same network
  const other = await compress(llama(), rounded(3))
  const lent = withPrompt(other, (await taught.params.read(PROMPT)) as Dense)
  expect(await surpriseOf(lent)).toBeLessThan(await surpriseOf(other))
  expect(byteLength(await taught.params.read(PROMPT))).toBe(8 * 32 * 4)
  await tf.setBackend('cpu')
})

it('changes nothing with no vectors', async () => {
  const source = llama()
  const same = await compress(source, compressThenPrompt({ vectors: 0 }))
  expect(await bytesOfModel(same)).toEqual(await bytesOfModel(source))
  expect(same.stages).toEqual(source.stages)
})

it('refuses a second prompt, one that fills the context, and what reads no text', async () => {
  const short = compressThenPrompt({ vectors: 2, steps: 1 })
  await expect(compress(llama(), pipeline(short, short), { calibration })).rejects.toThrow(
    'The network has a prompt already.\nLearn one prompt, as the last step.',
  )
  await expect(compress(llama(), compressThenPrompt({ vectors: 63, steps: 1 }), { calibration })).rejects.toThrow(
    'A prompt of 63 vectors leaves no room for a text in a context of 64.\nTake fewer vectors.',
  )
  const rows = picoBatches()
  await expect(compress(picoModel(), short, { calibration: rows })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  tf.dispose(rows)
  await expect(compress(llama(), short)).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
  expect(() => compressThenPrompt({ vectors: -1 })).toThrow('compress-then-prompt got vectors = -1.\nPass an integer of at least 0')
})
