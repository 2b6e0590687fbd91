/** Claims about what a small network learns from a large one. */
import { crossEntropy, weighted, type Objective, type TrainOptions } from '@tersor/core'
import { gkd, miniLm, onPolicy, pld, softLabels } from '@tersor/distillation'
import type { LanguageModel } from '@tersor/models'
import { PERPLEXITY, RIGHT, type Claim, type Side } from './claim.js'
import { freshResNet8, IMAGES, openResNet, rightOf, stepsIn, trainOnImages } from './images.js'
import { apartOnOwnTexts, givenTexts, ownTexts } from './sampler.js'
import { perplexityOf, textBatches, trainOnText, truncated } from './texts.js'

const EPOCHS = 2

const OBJECTIVES: Readonly<Record<string, Objective>> = {
  'no teacher': crossEntropy,
  'soft labels': weighted([0.1, crossEntropy], [0.9, softLabels({ temperature: 4 })]),
  PLD: pld(),
}

const classes: Claim = {
  name: 'soft-labels',
  says: `a fresh ResNet-8 from ResNet-20, ${EPOCHS} epochs: soft labels above no teacher, PLD at least soft labels`,
  data: IMAGES,
  figures: { right: RIGHT },
  sides: async () => {
    const teacher = await openResNet('resnet20')
    return Object.entries(OBJECTIVES).map(([name, objective]): Side => ({
      name,
      measure: async seed => {
        const student = await freshResNet8(seed)
        return { right: await rightOf(await trainOnImages(student, seed, { objective, teacher, steps: stepsIn(EPOCHS) })) }
      },
    }))
  },
  orders: [
    { figure: 'right', first: 'soft labels', than: 'no teacher' },
    { figure: 'right', first: 'PLD', than: 'no teacher' },
    { figure: 'right', first: 'PLD', than: 'soft labels', orEqual: true },
  ],
}

const LAYERS = 2
const STEPS = 120
const attention = miniLm({ student: `model.layers.${LAYERS - 1}.self_attn`, teacher: 'model.layers.3.self_attn', causal: true })

const layers: Claim = {
  name: 'mini-lm',
  says: `two of the bundled model's four layers, ${STEPS} steps: MiniLM and then the text below truncated layers and the text alone`,
  figures: { perplexity: PERPLEXITY },
  sides: () => [
    {
      name: 'truncated layers',
      measure: async seed => ({ perplexity: await perplexityOf(await trainOnText(await truncated(LAYERS), seed, { steps: STEPS })) }),
    },
    {
      name: 'MiniLM',
      measure: async seed => {
        const looking = await trainOnText(await truncated(LAYERS), seed, { objective: attention, steps: STEPS / 2 })
        return { perplexity: await perplexityOf(await trainOnText(looking, seed + 100, { steps: STEPS / 2 })) }
      },
    },
  ],
  orders: [{ figure: 'perplexity', first: 'MiniLM', than: 'truncated layers' }],
  failing:
    'first layers of the teacher, on text that it has learned, need no attention of another; of 120 steps, 60 of MiniLM and 60 of the text come to 129.98 against 117.58, MiniLM beside the text to 117.42 with a weight of 0.1 and 120.71 with 1, soft labels to 96.33',
}

const POLICY_STEPS = 60

/** Two layers that have learned to answer, for students to begin with. */
const beginner = (() => {
  let made: Promise<LanguageModel> | undefined
  const make = async () => trainOnText(await truncated(LAYERS), 0, { objective: softLabels({ temperature: 1 }), steps: 100 })
  return () => (made ??= make())
})()

const policies: Claim = {
  name: 'gkd',
  says: `a student of two layers, ${POLICY_STEPS} steps: the reverse divergence on its own texts is nearer to the teacher there than the forward one on those given`,
  figures: { reverse: { better: 'lower', digits: 3, tie: 0 }, forward: { better: 'lower', digits: 3, tie: 0 }, perplexity: PERPLEXITY },
  sides: () => {
    const side = (name: string, beta: number, dataOf: (student: LanguageModel, seed: number) => Promise<TrainOptions['data']>): Side => ({
      name,
      measure: async seed => {
        const student = await beginner()
        const objective = gkd({ beta, temperature: 1 })
        const data = await dataOf(student, seed)
        const taught = await trainOnText(student, seed, { objective, data, steps: POLICY_STEPS })
        return { ...(await apartOnOwnTexts(taught, seed)), perplexity: await perplexityOf(taught) }
      },
    })
    return [
      side('off-policy, forward', 0, async (_student, seed) => {
        const data = await textBatches(seed)
        return async (step, rng, withWeights) => givenTexts(await data(step, rng, withWeights))
      }),
      side('on-policy, reverse', 1, async (student, seed) =>
        onPolicy({ data: await textBatches(seed), share: 1, sample: ownTexts(student) }),
      ),
    ]
  },
  orders: [{ figure: 'reverse', first: 'on-policy, reverse', than: 'off-policy, forward' }],
}

export const DISTILLATION: readonly Claim[] = [classes, layers, policies]
