/** How long a step over caches of different forms takes. */
import type { CachePlan } from '@tersor/core'
import { gear, int4, int8, kivi } from '@tersor/kv-cache'
import { freshModel, openSession, type LanguageModel } from '@tersor/models'
import type { Claim } from '../training/claim.js'

const CONFIG = {
  ...{ architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 512, intermediate_size: 1024, num_hidden_layers: 4 },
  ...{ num_attention_heads: 8, num_key_value_heads: 8, vocab_size: 512, max_position_embeddings: 8192 },
}
const STEPS = 24

/** The median of some steps behind a text of so many tokens, in milliseconds. */
const stepAfter = async (tokens: number, cache: CachePlan): Promise<number> => {
  const session = await openSession(freshModel(CONFIG, { seed: 1 }) as LanguageModel, { cache })
  await session.append(Array.from({ length: tokens }, (_, i) => (7 * i) % 512))
  const times: number[] = []
  for (let i = 0; i < STEPS; i++) {
    const from = performance.now()
    await session.append([i])
    times.push(performance.now() - from)
  }
  session.dispose()
  return times.slice(STEPS / 4).sort((a, b) => a - b)[Math.floor((STEPS * 3) / 8)]
}

const LENGTHS = [1024, 4096]
const figure = (length: number): string => `ms at ${length}`
export const STEP_TIME: Claim = {
  name: 'step-time',
  says: 'a step of 4 layers of 8 heads of 64 behind 1,024 and 4,096 entries: int8 and int4 below the float cache, others at most 1.3 times it (as stages; of graphs `stored-caches/step-time`)',
  alone: true,
  figures: Object.fromEntries(LENGTHS.map(length => [figure(length), { better: 'lower', digits: 2, tie: 0 } as const])),
  sides: () => {
    const plans: Readonly<Record<string, CachePlan>> = {
      float: [],
      int8: [int8()],
      int4: [int4()],
      'KIVI 4 bits': [kivi({ bits: 4 })],
      'GEAR-L 4 bits': [gear({ bits: 4, outliers: 0 })],
    }
    return Object.entries(plans).map(([name, cache]) => ({
      name,
      fixed: true,
      measure: async () => {
        const found: Record<string, number> = {}
        for (const length of LENGTHS) found[figure(length)] = await stepAfter(length, cache)
        return found
      },
    }))
  },
  failing:
    'two to three times the float step: one graph holds all of it, where steps over pages are cut at each attention (3 ms behind any text), and products with codes, a softmax and copies of the codes into the memory of the kernels take 3 ms a layer behind 4,096 entries, on one thread. It was 40 and 62 ms before such steps were recorded and codes of runs had kernels of their own. Graphs with fused attention, whose runtime has codes of its own, are faster than floats: `stored-caches/step-time`',
  orders: LENGTHS.flatMap(length => ['int8', 'int4'].map(first => ({ figure: figure(length), first, than: 'float' }))),
}
