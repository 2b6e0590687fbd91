/** Claims about networks that are pruned and then tuned. */
import { compress, createRng, crossEntropy, decode, train, windowBatches, type Model, type Step, type TrainOptions } from '@tersor/core'
import { perplexity } from '@tersor/evaluation'
import { openModel } from '@tersor/models'
import { magnitude, wanda } from '@tersor/pruning'
import { copyStore, memorySink } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DATA } from '../bundled-model.js'
import { PERPLEXITY, type Claim, type Side } from '../training/claim.js'
import { adamOnCosine } from '../training/recipe.js'

const FOLDER = 'lm/shakespeare-llama'
const LENGTH = 128
const ROWS = 16
const STEPS = 100
const CALIBRATION = 32

/** The character model, the text that it learned from and the tenth that it has not seen. */
const open = async () => {
  const model = await openModel(join(DATA, FOLDER))
  if (model.family !== 'language' || !model.tokenizer) throw new Error(`${FOLDER} is no language model with a tokenizer.`)
  const params = await copyStore(model.params, memorySink())
  await model.close?.()
  const text = await readFile(join(DATA, 'text/tinyshakespeare.txt'), 'utf8')
  const end = Math.floor(0.9 * text.length)
  const [learned, held] = [text.slice(0, end), text.slice(end)].map(part => model.tokenizer!.encode(part, { specials: false }))
  const validation = Array.from({ length: Math.floor((held.length - 1) / LENGTH) }, (_, i) => held.slice(i * LENGTH, (i + 1) * LENGTH + 1))
  const windows = Array.from({ length: CALIBRATION }, (_, i) => Int32Array.from(learned.slice(i * LENGTH, (i + 1) * LENGTH)))
  const calibration = windows.map(window => tf.tensor2d(window, [1, LENGTH], 'int32'))
  return { model: { ...model, params }, learned, validation, calibration }
}
let opened: ReturnType<typeof open> | undefined
const shakespeare = () => (opened ??= open())

/** Which weights of all masked ones are zeros, one after the other. */
const zerosOf = async ({ params }: Model): Promise<Uint8Array> => {
  const all: Float32Array[] = []
  for (const name of params.names().filter(each => params.info(each).codec !== undefined)) {
    const tensor = decode(await params.read(name))
    all.push((await tensor.data<'float32'>()).slice())
    tensor.dispose()
  }
  return Uint8Array.from(all.flatMap(values => Array.from(values, value => (value === 0 ? 1 : 0))))
}

const tuned = async (model: Model, seed: number): Promise<Model> => {
  const { learned } = await shakespeare()
  const data: TrainOptions['data'] = windowBatches({ ids: learned, batch: ROWS, length: LENGTH })
  const transform = adamOnCosine({ steps: STEPS, norm: 1 })
  return train(model, { objective: crossEntropy, transform, steps: STEPS, data, rng: createRng(seed) })
}

const told = async (model: Model): Promise<number> => (await perplexity(model, (await shakespeare()).validation)).perplexity

const untuned = (name: string, step?: Step): Side => ({
  name: `${name}, not tuned`,
  fixed: true,
  measure: async seed => {
    const { model, calibration } = await shakespeare()
    return { perplexity: await told(step ? await compress(model, step, { calibration, seed }) : model) }
  },
})

const pruned = (name: string, step: Step): Side => ({
  name,
  measure: async seed => {
    const { model, calibration } = await shakespeare()
    const before = await compress(model, step, { calibration, seed })
    const after = await tuned(before, seed)
    const [zeros, left] = [await zerosOf(before), await zerosOf(after)]
    const moved = zeros.reduce((count, flag, i) => count + (flag === left[i] ? 0 : 1), 0)
    return { perplexity: await told(after), sparsity: left.reduce((sum, flag) => sum + flag, 0) / left.length, moved }
  },
})

const PRUNED = {
  'magnitude, 50 %': magnitude({ sparsity: 0.5 }),
  'wanda, 50 %': wanda({ sparsity: 0.5 }),
  'magnitude, 2:4': magnitude({ pattern: '2:4' }),
  'wanda, 2:4': wanda({ pattern: '2:4' }),
} as const

const kept: Claim = {
  name: 'tuned',
  says: `a character model of Shakespeare pruned and then tuned for ${STEPS} steps: not one weight becomes a zero or stops being one, and it is better than before`,
  data: FOLDER,
  figures: {
    perplexity: PERPLEXITY,
    sparsity: { better: 'higher', digits: 6, tie: 0 },
    moved: { better: 'lower', digits: 0, tie: 0 },
  },
  sides: () => [
    untuned('dense'),
    { name: 'dense', measure: async seed => ({ perplexity: await told(await tuned((await shakespeare()).model, seed)) }) },
    ...Object.entries(PRUNED).flatMap(([name, step]) => [untuned(name, step), pruned(name, step)]),
  ],
  orders: Object.keys(PRUNED).flatMap(first => [
    { figure: 'moved', first, than: 0 },
    { figure: 'perplexity', first, than: `${first}, not tuned` },
  ]),
}

export const TUNED: readonly Claim[] = [kept]
