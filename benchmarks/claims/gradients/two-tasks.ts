/** A small language model that learns Shakespeare and then stories, character by character: what it forgets of the first until it knows the second. */
import * as tf from '@tensorflow/tfjs-core'
import { classp, createRng, crossEntropy, sgd, train, windowBatches, type Batch, type GradientTransform, type Weights } from '@tersor/core'
import { freshModel } from '@tersor/models'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DATA } from '../bundled-model.js'
import type { Claim, Side } from '../training/claim.js'

const [FIRST, SECOND, LOOK] = [400, 400, 20]
const [ROWS, LENGTH, CHARACTERS] = [16, 64, 128]
const CONFIG = { model_type: 'llama', hidden_size: 64, intermediate_size: 160, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: CHARACTERS, max_position_embeddings: LENGTH, tie_word_embeddings: true } // prettier-ignore
/** The loss of the second task at which all are compared: plain descent has it in some 200 steps. */
const TARGET = 2.5

/** Characters of a text; its last tenth is measured. */
const readTask = async (file: string) => {
  const ids = Int32Array.from(await readFile(join(DATA, 'text', file), 'utf8'), letter => Math.min(letter.charCodeAt(0), CHARACTERS - 1))
  const cut = Math.floor(0.9 * ids.length)
  const held = windowBatches({ ids: ids.subarray(cut), batch: 4 * ROWS, length: LENGTH })
  return { batches: windowBatches({ ids: ids.subarray(0, cut), batch: ROWS, length: LENGTH }), held: () => held(0, createRng(9)) }
}
let read: Promise<readonly Awaited<ReturnType<typeof readTask>>[]> | undefined
const tasks = () => (read ??= Promise.all([readTask('tinyshakespeare.txt'), readTask('tinystories-train-900.txt')]))

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

/** The first task's loss where the second's comes to the target, between two looks. */
const firstAtTarget = (looks: readonly Look[]): number => {
  const second = looks.filter(({ step }) => step >= FIRST)
  const after = second.findIndex(({ losses }) => losses[1] <= TARGET)
  if (after <= 0) return after === 0 ? second[0].losses[0] : Infinity
  const [a, b] = [second[after - 1].losses, second[after].losses]
  const share = (a[1] - TARGET) / (a[1] - b[1])
  return a[0] + share * (b[0] - a[0])
}

/** With that of some settings which forgets least. */
const side = (name: string, makes: readonly GradientTransform[]): Side => ({
  name,
  measure: async seed => {
    let best = { first: Infinity, forgotten: Infinity, touched: NaN, setting: -1 }
    for (const [setting, make] of makes.entries()) {
      const found = await trained(make, seed).catch((error: { readonly code?: string }) => {
        if (error.code === 'NOT_FINITE') return undefined
        throw error
      })
      console.log(`    ${name} ${setting}: ${found ? 'learns' : 'diverges'}`)
      if (!found) continue
      const { looks, touched } = found
      const learned = looks.find(({ step }) => step === FIRST)!.losses[0]
      const first = firstAtTarget(looks)
      console.log(`    ${name} ${setting}: first ${learned.toFixed(3)}, then ${first.toFixed(3)}; second ${looks.at(-1)!.losses[1].toFixed(3)} at the end`) // prettier-ignore
      if (first < best.first) best = { first, forgotten: first - learned, touched, setting }
    }
    return best
  },
})

const LOSS = { better: 'lower', digits: 3, tie: 0 } as const

export const TWO_TASKS: readonly Claim[] = [
  {
    name: 'classp',
    says: `a language model of two layers learns Shakespeare for ${FIRST} steps and then stories, by characters, the best of some rates for each: at the same loss of stories, ${TARGET}, CLASSP has a lower one of Shakespeare than SGD and AdaGrad`, // prettier-ignore
    data: 'text',
    figures: {
      first: LOSS,
      forgotten: LOSS,
      touched: { better: 'lower', digits: 3, tie: 0 },
      setting: { better: 'lower', digits: 0, tie: 0 },
    },
    sides: () => [
      side('SGD', [0.1, 0.3, 1].map(learningRate => sgd({ learningRate }))), // prettier-ignore
      side('AdaGrad', [0.01, 0.02, 0.05].map(adagrad)), // prettier-ignore
      side('CLASSP', [[0.03, 1e-8, 1e-3], [0.1, 1e-8, 0.01], [0.1, 1e-7, 0.01]].map(([learningRate, threshold, epsilon]) => classp({ learningRate, threshold, epsilon }))), // prettier-ignore
    ],
    orders: ['SGD', 'AdaGrad'].map(than => ({ figure: 'first', first: 'CLASSP', than })),
  },
]
