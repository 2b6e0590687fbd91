/** The images that claims about training learn from and are measured on, and the networks that learn. */
import {
  chain,
  clip,
  createRng,
  crossEntropy,
  crop,
  flip,
  imageBatches,
  nesterov,
  rex,
  train,
  type Model,
  type Objective,
  type TrainOptions,
} from '@tersor/core'
import { readImages, topOne } from '@tersor/evaluation'
import { freshModel, openModel, type ImageClassifier, type RawConfig } from '@tersor/models'
import { copyStore, memorySink } from '@tersor/tensor'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DATA } from '../bundled-model.js'
import type { Side } from './claim.js'
import { adamOnCosine } from './recipe.js'

export const IMAGES = 'cifar10-resnet'
const BATCH = 50

const imagesOf = (name: string) => readImages(join(DATA, `cifar10/${name}.json`))

/** 5,000 images to learn from and 2,000 to be measured on, both with the losses of JPEG, which networks trained without adapt to. */
const sets = async () => ({ learned: await imagesOf('cifar10-train-5000'), test: await imagesOf('cifar10-test-2000') })
let read: ReturnType<typeof sets> | undefined

export const learnedImages = async () => (await (read ??= sets())).learned

export const testImages = async () => (await (read ??= sets())).test

/** How many of the test images get the right class. */
export const rightOf = async (model: Model): Promise<number> => (await topOne(model, (await (read ??= sets())).test)).correct

export const stepsIn = (epochs: number, images = 5000): number => Math.round((images * epochs) / BATCH)

/** Batches of the first images, shifted and mirrored. */
export const shiftedImages = async (seed: number, count = 5000): Promise<TrainOptions['data']> => {
  const all = await learnedImages()
  const images = { ...all, count, labels: all.labels.slice(0, count) }
  return imageBatches({ images, batch: BATCH, augment: [crop(4), flip], seed })
}

/** Trains on all of them by their labels, unless the options say otherwise. */
export const trainOnImages = async (
  model: Model,
  seed: number,
  options: Partial<TrainOptions> & Pick<TrainOptions, 'steps'>,
): Promise<Model> =>
  train(model, {
    objective: crossEntropy,
    transform: adamOnCosine({ steps: options.steps, norm: 5, floor: 0.01 }),
    data: await shiftedImages(seed),
    rng: createRng(seed),
    ...options,
  })

export const openResNet = async (name: 'resnet20' | 'resnet56'): Promise<ImageClassifier> => {
  const model = await openModel(join(DATA, `${IMAGES}/${name}.safetensors`))
  if (model.family !== 'image') throw new Error(`${name} is no classifier.`)
  const params = await copyStore(model.params, memorySink())
  await model.close?.()
  return { ...model, params }
}

/** ResNet-20 with a third of its blocks, and weights to begin with. */
export const freshResNet8 = async (seed: number): Promise<Model> => {
  const config = JSON.parse(await readFile(join(DATA, `${IMAGES}/resnet20.json`), 'utf8')) as RawConfig
  const stages = (config.stages as RawConfig[]).map(stage => ({ ...stage, blocks: 1 }))
  return freshModel({ ...config, name: 'resnet8', stages }, { seed })
}

/** Steps in which a teacher gets used to images that went through JPEG. */
const TEACHER_STEPS = 60

/** A fresh ResNet-8 that learns by each objective, some of them from ResNet-20. */
export const taughtOnImages = async (objectives: Readonly<Record<string, Objective>>, epochs: number): Promise<readonly Side[]> => {
  const teacher = await trainOnImages(await openResNet('resnet20'), 0, { steps: TEACHER_STEPS })
  const steps = stepsIn(epochs)
  const transform = chain(clip({ norm: 5 }), nesterov({ learningRate: rex({ peak: 0.05, steps }) }))
  return Object.entries(objectives).map(([name, objective]) => ({
    name,
    measure: async seed => {
      const student = await freshResNet8(seed)
      return { right: await rightOf(await trainOnImages(student, seed, { objective, teacher, steps, transform })) }
    },
  }))
}
