import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { adam, crossEntropy, forward, loadModel, roundRows, sitesOf, train, type Env, type Model } from '@tersor/core'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { bitNet } from '@tersor/quantization'
import { useEngine } from '@tersor/testing'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { openModel } from './open-model.js'

useEngine()

let folder = ''
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-models-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const STEPS = 3
const tokens = (from: number) => tf.tensor2d(Int32Array.from({ length: 32 }, (_, i) => (7 * (i + from)) % 60), [2, 16], 'int32') // prettier-ignore
const batch = () => ({ input: tokens(0), target: tokens(1) })

const lossOf = async (model: Model, env: Pick<Env, 'activation'> = {}): Promise<number> => {
  const { weights, dispose } = await loadModel(model)
  const loss = tf.tidy(() => {
    const { input, target } = batch()
    return crossEntropy(forward(model, input, { weights, ...env }), { input, target })
  })
  const [value] = await loss.data()
  loss.dispose()
  dispose()
  return value
}

it('runs a network of ternary weights that is opened again with its inputs rounded as in training', async () => {
  const model = picoLlama({ layers: 1, vocabulary: 64 })
  const losses: number[] = []
  const trained = await train(model, {
    ...{ objective: crossEntropy, data: batch, steps: STEPS, parametrize: bitNet({ inputs: true }) },
    transform: adam({ learningRate: step => (step < STEPS - 1 ? 0.02 : 0) }), // the last loss is that of what is stored
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
    sink: () => huggingFaceSink(join(folder, 'out'), { config: model.rawConfig }),
  })
  await trained.params.close?.()
  const opened = (await openModel(join(folder, 'out'))) as LanguageModel
  try {
    expect(opened.notes).toEqual([])
    const names = sitesOf(model).flatMap(({ name, head }) => (head ? [] : [`${name}.input_row_levels`])).filter(name => !name.includes('embed')) // prettier-ignore
    expect(opened.params.names().filter(name => name.endsWith('.input_row_levels'))).toEqual(names)
    const told = await lossOf(opened)
    expect(Math.abs(told / losses.at(-1)! - 1)).toBeLessThan(1e-3) // scales are stored as halves
    const plain = { ...opened, stages: model.stages } // past what the store says of inputs
    const rounds = new Set(names)
    const activation: Env['activation'] = ({ name }, x) => (rounds.has(`${name}.input_row_levels`) ? roundRows(x, 127) : x)
    expect(await lossOf(plain, { activation })).toBe(told)
    expect(await lossOf(plain)).not.toBe(told)
  } finally {
    await opened.close?.()
  }
})
