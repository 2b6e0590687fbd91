/** A small language model that learns Shakespeare and then stories, character by character: what it forgets of the first until it knows the second. */
import * as tf from '@tensorflow/tfjs-core'
import { classp, createRng, crossEntropy, sgd, train, windowBatches, type Batch, type GradientTransform, type Weights } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DATA } from '../bundled-model.js'
import type { Claim, Side } from '../training/claim.js'

const [FIRST, SECOND, LOOK] = [300, 300, 20]
const [ROWS, LENGTH, CHARACTERS] = [16, 32, 128]
const CONFIG = { model_type: 'llama', hidden_size: 32, intermediate_size: 96, num_hidden_layers: 1, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: CHARACTERS, max_position_embeddings: LENGTH, tie_word_embeddings: true } // prettier-ignore
/** Characters of a text; its last tenth is measured. Turned round, they share nothing with those of another. */
const readTask = async (file: string, turned: boolean) => {
  const codeOf = (letter: string): number => Math.min(letter.charCodeAt(0), CHARACTERS - 1)
  const ids = Int32Array.from(await readFile(join(DATA, 'text', file), 'utf8'), letter =>
    turned ? CHARACTERS - 1 - codeOf(letter) : codeOf(letter),
  )
  const cut = Math.floor(0.9 * ids.length)
  const held = windowBatches({ ids: ids.subarray(cut), batch: 4 * ROWS, length: LENGTH })
  return { batches: windowBatches({ ids: ids.subarray(0, cut), batch: ROWS, length: LENGTH }), held: () => held(0, createRng(9)) }
}
let read: Promise<readonly Awaited<ReturnType<typeof readTask>>[]> | undefined
const tasks = () => (read ??= Promise.all([readTask('tinyshakespeare.txt', false), readTask('tinystories-train-900.txt', true)]))

/** AdaGrad: A ← A + g², update = −η g / (ε + √A). Duchi, Hazan and Singer 2011. */
const adagrad = (learningRate: number): GradientTransform<tf.Tensor> => ({
  name: 'adagrad',
  init: shape => tf.zeros([...shape]),
  update: (gradient, sum) => {
    const next = tf.add(sum, tf.square(gradient))
    return [tf.mul(tf.div(gradient, tf.add(tf.sqrt(next), 1e-8)), -learningRate), next]
  },
})

interface Look {
  readonly step: number
  readonly losses: readonly number[]
}

/** Both held-out losses at each look, and which part of all weights moved in a step, in the mean. */
const trained = async (transform: GradientTransform, seed: number): Promise<{ looks: readonly Look[]; touched: number }> => {
  const all = await tasks()
  const model = freshModel(CONFIG, { seed })
  const looks: Look[] = []
  const moved: tf.Scalar[] = []
  const counting: GradientTransform = {
    name: transform.name,
    init: (shape, name) => transform.init(shape, name),
    update: (gradient, state, context) => {
      const [update, next] = transform.update(gradient, state, context) as readonly [tf.Tensor, tf.TensorContainer]
      if (context.step % LOOK === 0) moved.push(tf.keep(tf.mean(tf.cast(tf.notEqual(update, 0), 'float32')) as tf.Scalar))
      return [update, next]
    },
  }
  const lossOf = async (weights: Weights, { input, target }: Batch): Promise<number> => {
    const loss = tf.tidy(() =>
      crossEntropy(
        model.stages.reduce((x, stage) => stage.run(x, { weights }), input),
        { input, target: target! },
      ),
    )
    const value = (await loss.data())[0]
    tf.dispose([loss, input, target!])
    return value
  }
  await train(model, {
    ...{ objective: crossEntropy, transform: counting, steps: FIRST + SECOND, rng: createRng(seed) },
    data: (step, rng) => all[step < FIRST ? 0 : 1].batches(step, rng),
    watch: {
      every: LOOK,
      measure: async (weights, step) => {
        const losses = []
        for (const { held } of all) losses.push(await lossOf(weights, held()))
        looks.push({ step, losses })
        return losses[1]
      },
    },
  })
  const shares = await Promise.all(moved.map(async share => (await share.data())[0]))
  tf.dispose(moved)
  return { looks, touched: shares.reduce((sum, share) => sum + share, 0) / shares.length }
}

/** The first task's loss where the second's comes to a target, between two looks; nothing where it does not. */
const firstAt = (looks: readonly Look[], target: number): number => {
  const second = looks.filter(({ step }) => step >= FIRST)
  const after = second.findIndex(({ losses }) => losses[1] <= target)
  if (after <= 0) return after === 0 ? second[0].losses[0] : Infinity
  const [a, b] = [second[after - 1].losses, second[after].losses]
  return a[0] + ((a[1] - target) / (a[1] - b[1])) * (b[0] - a[0])
}

const METHODS: Readonly<Record<string, readonly GradientTransform[]>> = {
  SGD: [0.1, 0.3, 0.5].map(learningRate => sgd({ learningRate })),
  AdaGrad: [0.01, 0.02, 0.05].map(adagrad),
  CLASSP: [[0.05, 1e-3], [0.1, 1e-2], [0.3, 1e-2]].map(([learningRate, epsilon]) => classp({ learningRate, epsilon, threshold: 1e-8 })), // prettier-ignore
}

type Run = Awaited<ReturnType<typeof trained>>

/** All runs with one seed; those that diverge are left out. */
const runsOf = async (seed: number): Promise<Readonly<Record<string, readonly Run[]>>> => {
  const all: Record<string, Run[]> = {}
  for (const [name, transforms] of Object.entries(METHODS))
    for (const transform of transforms) {
      const run = await trained(transform, seed).catch((error: { readonly code?: string }) => {
        if (error.code !== 'NOT_FINITE') throw error
      })
      if (run) (all[name] ??= []).push(run)
      const [learned, last] = [run?.looks.find(({ step }) => step === FIRST), run?.looks.at(-1)]
      console.log(`    ${name}: ${learned?.losses.map(loss => loss.toFixed(3)).join(', ')}, then ${last?.losses.map(loss => loss.toFixed(3)).join(', ')}`) // prettier-ignore
    }
  return all
}

let runs: Promise<Readonly<Record<string, readonly Run[]>>> | undefined
let seedOfRuns = 0

/** The loss of the second task that every method comes to with the best of its settings, and the setting of a method that forgets least until then. */
const side = (name: string): Side => ({
  name,
  measure: async seed => {
    if (seed !== seedOfRuns) runs = runsOf((seedOfRuns = seed))
    const all = await runs!
    const target = Math.max(...Object.values(all).map(each => Math.min(...each.map(({ looks }) => looks.at(-1)!.losses[1]))))
    const found = all[name].map(({ looks, touched }) => ({ first: firstAt(looks, target), touched, learned: looks.find(({ step }) => step === FIRST)!.losses[0] })) // prettier-ignore
    const best = found.reduce((a, b) => (b.first < a.first ? b : a))
    return { first: best.first, second: target, forgotten: best.first - best.learned, touched: best.touched }
  },
})

const LOSS = { better: 'lower', digits: 3, tie: 0 } as const

export const TWO_TASKS: readonly Claim[] = [
  {
    name: 'classp',
    says: `a language model of one layer learns Shakespeare for ${FIRST} steps and then stories whose alphabet is turned round, by characters, the best of three settings for each: at the loss of stories that all come to, CLASSP has a lower one of Shakespeare than SGD and AdaGrad`, // prettier-ignore
    data: 'text',
    figures: { first: LOSS, second: LOSS, forgotten: LOSS, touched: LOSS },
    sides: () => Object.keys(METHODS).map(side),
    orders: ['SGD', 'AdaGrad'].map(than => ({ figure: 'first', first: 'CLASSP', than })),
  },
]
