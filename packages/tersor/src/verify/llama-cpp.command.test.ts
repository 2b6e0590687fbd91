import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { ggufSink, type GgufSinkOptions } from '@tersor/formats/gguf'
import { picoLlama, type LanguageModel } from '@tersor/models'
import { openModel } from '@tersor/models/open-model'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { disagrees, requireAgreement, verificationText, verify } from '../verify.js'
import { logitsOf } from './compare.js'
import { llamaCpp } from '@tersor/models/internal/formats/llama-cpp'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-llama-cpp-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const save = async (name: string, model: LanguageModel, options: Partial<GgufSinkOptions> = {}): Promise<string> => {
  const path = join(folder, `${name}.gguf`)
  const sink = ggufSink(path, { config: model.rawConfig, ...options })
  for (const parameter of model.params.names()) await sink.write(parameter, await model.params.read(parameter))
  await (await sink.finish()).close?.()
  return path
}

/** node-llama-cpp that answers with the probabilities of such logits. */
const answering = (logits: (ids: readonly number[]) => Promise<readonly ArrayLike<number>[]>) => async (): Promise<unknown> => ({
  LlamaLogLevel: { error: 'error' },
  getLlama: async () => ({
    dispose: async () => {},
    loadModel: async () => ({
      createContext: async () => ({
        getSequence: () => ({
          clearHistory: async () => {},
          controlledEvaluate: async (asked: readonly (readonly [number])[]) => {
            const rows = await logits(asked.map(([id]) => id))
            return rows.map(row => {
              const powers = Array.from(row, Math.exp)
              const total = powers.reduce((sum, power) => sum + power, 0)
              return { next: { probabilities: powers.map((power, id) => [id, power / total] as const) } }
            })
          },
        }),
      }),
    }),
  }),
})

it('says that another network DISAGREES, and fails', async () => {
  const model = picoLlama({ vocabulary: 40, seed: 3 })
  const path = await save('plain', model)
  const same = await verify({ path, format: 'gguf', seed: 1, load: answering(ids => logitsOf(model, ids)) })
  expect(same).toMatchObject({ runtime: 'llama.cpp', bound: 1e-3, tokens: 32 })
  expect(verificationText(same)).toMatch(/^verified in llama\.cpp: log-probabilities differ by at most /)
  expect(() => requireAgreement(same)).not.toThrow()
  const another = picoLlama({ vocabulary: 40, seed: 4 })
  const other = await verify({ path, format: 'gguf', seed: 1, load: answering(ids => logitsOf(another, ids)) })
  expect(disagrees(other)).toBe(true)
  expect(verificationText(other)).toMatch(/^DISAGREES with llama\.cpp: log-probabilities differ by at most /)
  expect(() => requireAgreement(other)).toThrow(
    'The result is saved, but the program it is for computes something else from it.\nSee the line that says DISAGREES, and what is noted',
  )
})

it('counts probabilities that are no numbers as disagreement', async () => {
  const model = picoLlama({ vocabulary: 40, seed: 3 })
  const path = await save('nan', model)
  const result = await verify({
    ...{ path, format: 'gguf', seed: 1 },
    load: answering(async ids => ids.map(() => new Array<number>(40).fill(NaN))),
  })
  expect(disagrees(result)).toBe(true)
})

it('allows more where llama.cpp rounds activations beside codes', async () => {
  const model = picoLlama({ vocabulary: 40, seed: 3 })
  const [plain, coded] = [await openModel(await save('p', model)), await openModel(await save('c', model, { type: 'q8_0' }))]
  expect([plain, coded].map(each => llamaCpp.bound!(each as LanguageModel))).toEqual([1e-3, 0.05])
  await plain.close?.()
  await coded.close?.()
})

it('looks beyond the window, which llama.cpp does not slide', async () => {
  const config = { model_type: 'mistral', sliding_window: 20 }
  const model = picoLlama({ vocabulary: 40, seed: 3, context: 128, config })
  const whole = picoLlama({ vocabulary: 40, seed: 3, context: 128, config: { ...config, sliding_window: null } })
  const path = await save('sliding', model)
  const result = await verify({ path, format: 'gguf', seed: 1, load: answering(ids => logitsOf(whole, ids)) })
  expect(result).toMatchObject({ tokens: 52 })
  expect(disagrees(result)).toBe(true)
})
