/** Claims about the bundled model of 12 blocks: what is left of its depth and of its width. */
import { compress, createRng, crossEntropy, shrink, train, windowBatches, type Model, type Step, type TrainOptions } from '@tersor/core'
import { softLabels } from '@tersor/distillation'
import { perplexity, sizeOfModel } from '@tersor/evaluation'
import { freshModel, type RawConfig } from '@tersor/models'
import { minitron, shortGpt } from '@tersor/pruning'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readCorpus } from '../../../examples/bundled-model/src/corpus.js'
import { BUNDLED, openBundled } from '../bundled-model.js'
import { PERPLEXITY, type Claim, type Side } from '../training/claim.js'
import { adamOnCosine } from '../training/recipe.js'

const FOLDER = 'deep'
const KEEP = 0.75
const ROWS = 8
const LENGTH = 256
/** What begins each document. */
const SPECIAL = 0

/** The model and all of the text that it learned. */
const open = async () => {
  const bundled = await openBundled(FOLDER)
  const { train: documents } = await readCorpus()
  const ids = documents.flatMap(document => [SPECIAL, ...bundled.model.tokenizer!.encode(document, { specials: false })])
  const config = JSON.parse(await readFile(join(BUNDLED, FOLDER, 'config.json'), 'utf8')) as RawConfig
  return { ...bundled, ids, config }
}
let opened: ReturnType<typeof open> | undefined
const deep = () => (opened ??= open())

const told = async (model: Model) => ({
  perplexity: (await perplexity(model, (await deep()).validation)).perplexity,
  thousands: sizeOfModel(model).parameters / 1000,
})

const FIGURES = { perplexity: PERPLEXITY, thousands: { better: 'lower', digits: 0, tie: 0 } } as const

const cut = async (step: Step): Promise<Model> => {
  const { model, calibration } = await deep()
  return compress(model, step, { calibration })
}

/** Without the blocks of these numbers. */
const without = async (blocks: readonly number[]): Promise<Model> => {
  const { model } = await deep()
  const isGone = (name: string): boolean => blocks.includes(Number(/\d+/.exec(name)?.[0]))
  return shrink(model, { without: new Set(model.blocks!.map(({ name }) => name).filter(isGone)) })
}

const left = (name: string, make: (seed: number) => Promise<Model>, fixed = true): Side => ({
  ...{ name, fixed },
  measure: async seed => told(await make(seed)),
})

const chosen = (seed: number): readonly number[] => {
  const rng = createRng(seed)
  const all = Array.from({ length: 12 }, (_, i) => i)
  return Array.from({ length: 3 }, () => all.splice(rng.integer(all.length), 1)[0])
}

const depth: Claim = {
  name: 'depth',
  says: 'nine of the 12 blocks of the deep bundled model, nothing trained: ShortGPT below the first nine, below every fourth left out, and below chance',
  figures: FIGURES,
  sides: () => [
    left('whole', async () => (await deep()).model),
    left('ShortGPT', () => cut(shortGpt({ keep: KEEP }))),
    left('Minitron', () => cut(minitron({ depth: KEEP, neurons: 1 }))),
    left('the first nine', () => without([9, 10, 11])),
    left('every fourth left out', () => without([3, 7, 11])),
    left('chance', seed => without(chosen(seed)), false),
  ],
  orders: ['the first nine', 'every fourth left out', 'chance'].map(than => ({ figure: 'perplexity', first: 'ShortGPT', than })),
}

/** Of 2,048 tokens each: 1 million, and 2. */
const STEPS = 488
const PEAK = 1e-3
/** What the large model itself learned with. */
const FRESH_PEAK = 2e-3

const learned = async (
  model: Model,
  seed: number,
  options: Pick<TrainOptions, 'steps' | 'objective' | 'teacher'>,
  peak: number,
): Promise<Model> =>
  train(model, {
    data: windowBatches({ ids: (await deep()).ids, batch: ROWS, length: LENGTH }),
    transform: adamOnCosine({ steps: options.steps, norm: 1, peak }),
    rng: createRng(seed),
    ...options,
  })

const distilled = (name: string, step: Step): Side => ({
  name,
  measure: async seed => {
    const { model: teacher } = await deep()
    return told(await learned(await cut(step), seed, { steps: STEPS, objective: softLabels({ temperature: 1 }), teacher }, PEAK))
  },
})

const scratch = (name: string, step: Step): Side => ({
  name,
  measure: async seed => {
    const { config } = await deep()
    const hidden = (await cut(step)).params.info('model.norm.weight').shape[0]
    const fresh = freshModel({ ...config, hidden_size: hidden }, { dtype: 'f32', seed })
    return told(await learned(fresh, seed, { steps: 2 * STEPS, objective: crossEntropy }, FRESH_PEAK))
  },
})

const WIDTH = minitron({ stream: KEEP, neurons: 1 })
/** What leaves as many parameters as nine blocks do. */
const WIDTH_AS_MANY = minitron({ stream: 0.8, neurons: 1 })
const NEURONS_AS_MANY = minitron({ neurons: 0.66 })
const DEPTH = minitron({ depth: KEEP, neurons: 1 })

const widths: Claim = {
  name: 'minitron',
  says: 'the deep bundled model with 75 % of its channels, distilled on a million tokens: below the same small network that learned two million from the start, and below nine of 12 blocks that were distilled as long',
  figures: FIGURES,
  sides: () => [
    left('whole', async () => (await deep()).model),
    left('width, not distilled', () => cut(WIDTH)),
    left('depth, not distilled', () => cut(DEPTH)),
    distilled('width', WIDTH),
    distilled('width, as many parameters', WIDTH_AS_MANY),
    distilled('neurons, as many parameters', NEURONS_AS_MANY),
    distilled('depth', DEPTH),
    scratch('from the start', WIDTH),
  ],
  failing:
    'far below the small network from the start, and behind nine of 12 blocks: of this network, which is narrow and deep and learned for 6 million tokens, three blocks give so little that leaving them out costs 11 points before training, where a quarter of the channels costs 69. At as many parameters fewer neurons are level with fewer blocks, and fewer channels behind them. One seed. Not tried: a network that learned for longer, whose blocks give more',
  orders: ['from the start', 'depth'].map(than => ({ figure: 'perplexity', first: 'width', than })),
}

export const DEPTH_AND_WIDTH: readonly Claim[] = [depth, widths]
