import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, pipeline, type Model, type Step } from '@tersor/core'
import { openModel, picoLlama, type OpenedModel } from '@tersor/models'
import { hadamard, rtn } from '@tersor/quantization'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openOutput } from './model-output.js'

let folder: string
beforeAll(async () => {
  await tf.setBackend('cpu')
  expect(tf.getBackend()).toBe('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-output-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const logitsOf = async (model: Model): Promise<number[]> => {
  const { weights, dispose } = await loadModel(model)
  const ids = tf.tensor2d([[1, 2, 3, 4, 5, 6]], [1, 6], 'int32')
  const logits = forward(model, ids, { weights })
  const values = Array.from(await logits.data())
  tf.dispose([ids, logits])
  dispose()
  return values
}

const tied = (): OpenedModel => picoLlama({ context: 32, dtype: 'f32', config: { tie_word_embeddings: true } })

/** Runs a step and reads back what was saved. */
const saved = async (name: string, format: 'huggingface' | 'gguf', ...steps: readonly Step[]): Promise<OpenedModel> => {
  const model = tied()
  const { sink, scratch } = await openOutput(model, folder + '/source', {
    out: join(folder, name),
    format,
    overwrite: false,
    resume: false,
  })
  await (await compress(model, pipeline(...steps), { sink, scratch, seed: 4 })).params.close?.()
  return openModel(format === 'gguf' ? join(folder, name, 'model.gguf') : join(folder, name))
}

const furthest = (a: number[], b: number[]): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

it.each(['huggingface', 'gguf'] as const)('keeps the head of a turned model whose head was its embedding: %s', async format => {
  const expected = await logitsOf(await compress(tied(), hadamard(), { seed: 4 }))
  const opened = await saved(`turned-${format}`, format, hadamard())
  expect(opened.params.names()).toContain('lm_head.weight')
  expect(furthest(await logitsOf(opened), expected)).toBeLessThan(format === 'gguf' ? 0.05 : 1e-5) // GGUF stores halves here
  await (opened as { close?(): Promise<void> }).close?.()
})

it('keeps it too where the last step is another one', async () => {
  const steps = [hadamard(), rtn({ bits: 4, group: 16 })] as const
  const expected = await logitsOf(await compress(tied(), pipeline(...steps), { seed: 4 }))
  const opened = await saved('turned-rounded', 'huggingface', ...steps)
  expect(furthest(await logitsOf(opened), expected)).toBe(0)
  await (opened as { close?(): Promise<void> }).close?.()
})

it('leaves a head that is the embedding as it is', async () => {
  const opened = await saved('plain', 'huggingface', rtn({ bits: 4, group: 16 }))
  expect(opened.params.names()).not.toContain('lm_head.weight')
  await (opened as { close?(): Promise<void> }).close?.()
})
