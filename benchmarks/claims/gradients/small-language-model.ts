/** A small language model that four workers train from scratch: losses and bytes of an exchange. */
import {
  adam,
  chain,
  clip,
  createRng,
  crossEntropy,
  nesterov,
  train,
  warmupCosine,
  windowBatches,
  type Exchange,
  type GradientTransform,
} from '@tersor/core'
import { exchanged, plain, together, type Collective } from '@tersor/gradients'
import { freshModel } from '@tersor/models'
import { readDocuments, windowsOf } from '@tersor/evaluation'
import { join } from 'node:path'
import { BUNDLED, openBundled } from '../bundled-model.js'
import type { Figure, Figures, Side } from '../training/claim.js'

const WORKERS = 4
export const STEPS = 300
const [ROWS, LENGTH] = [4, 64]
/** The last losses, whose mean is told. */
const LAST = 25
const CONFIG = { model_type: 'llama', hidden_size: 64, intermediate_size: 192, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: 4096, max_position_embeddings: 64, tie_word_embeddings: true } // prettier-ignore

let windows: Promise<readonly (readonly number[])[]> | undefined
const windowsOfText = () =>
  (windows ??= openBundled().then(async ({ model }) => {
    const documents = await readDocuments(join(BUNDLED, 'text/calibration.txt'))
    return windowsOf(documents, model.tokenizer!, LENGTH + 1).filter(({ length }) => length === LENGTH + 1)
  }))

const PEAK = 3e-3
export const rate = (peak: number) => warmupCosine({ peak, warmup: 20, steps: STEPS })

const trained = async (
  make: (peers: Collective) => Exchange,
  transform: GradientTransform,
  seed: number,
): Promise<{ loss: number; 'kilobytes a step': number }> => {
  const all = await windowsOfText()
  const [{ losses, sent }] = await together(WORKERS, async peers => {
    const batches = windowBatches({ windows: all, batch: ROWS, length: LENGTH, seed: 10 * seed + peers.rank })
    const losses: number[] = []
    await train(freshModel(CONFIG, { seed }), {
      ...{ objective: crossEntropy, transform, exchange: make(peers), steps: STEPS, rng: createRng(seed) },
      data: (step, rng) => batches(step, rng.fork(`worker ${peers.rank}`)),
      onProgress: event => event.type === 'trained' && losses.push(event.loss),
    })
    return { losses, sent: peers.traffic.sent }
  })
  const last = losses.slice(-LAST)
  return { loss: last.reduce((sum, loss) => sum + loss, 0) / last.length, 'kilobytes a step': sent / STEPS / 1000 }
}

export const side = (
  name: string,
  make: (peers: Collective) => Exchange,
  transform: GradientTransform = chain(clip({ norm: 1 }), adam({ learningRate: rate(PEAK) })),
): Side => ({
  name,
  measure: seed => trained(make, transform, seed),
})

export const figures: Readonly<Record<string, Figure>> = {
  loss: { better: 'lower', digits: 3, tie: 0 },
  'kilobytes a step': { better: 'lower', digits: 1, tie: 0 },
}
export const momentum = chain(clip({ norm: 1 }), nesterov({ learningRate: rate(0.3), momentum: 0.9 }))
export const uncompressed = side('uncompressed', peers => exchanged(peers, { codec: plain() }))

/** Sides in order, with figures as parts of the first one's: of "against it" its figure. */
export const besideFirst = ([first, ...others]: readonly Side[], parts: Readonly<Record<string, string>>): readonly Side[] => {
  let base: Figures
  const beside = (found: Figures): Figures => ({
    ...found,
    ...Object.fromEntries(Object.entries(parts).map(([name, of]) => [name, found[of] / base[of]])),
  })
  return [
    { ...first, measure: async seed => beside((base = await first.measure(seed))) },
    ...others.map(other => ({ ...other, measure: async (seed: number) => beside(await other.measure(seed)) })),
  ]
}
