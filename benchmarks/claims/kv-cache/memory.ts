/** What caches take in the process, and how long a step over them takes. */
import { createRng, openCaches, type CachePlan, type Model } from '@tersor/core'
import { gear, int4, int8, kivi } from '@tersor/kv-cache'
import { freshModel, openSession, type LanguageModel } from '@tersor/models'
import { memoryStore } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Claim, Side } from '../training/claim.js'

const [LAYERS, HEADS, SIZE, ENTRIES] = [16, 8, 64, 4096]

const rng = createRng(1)
const NUMBERS = Float32Array.from({ length: HEADS * ENTRIES * SIZE }, () => 2 * rng.uniform() - 1)

/** Layers that only hold. */
const layers = (): Pick<Model, 'stages' | 'params'> => ({
  params: memoryStore({}),
  stages: Array.from({ length: LAYERS }, (_, i) => ({
    ...{ name: `layers.${i}`, parameters: [], sites: [], run: x => x },
    attention: { heads: HEADS, keyHeads: HEADS, size: SIZE, scale: 1, positions: 'none' as const },
  })),
})

const collect = (): void => {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
}

const held = (): number => {
  collect()
  const { arrayBuffers, external } = process.memoryUsage()
  return Math.max(arrayBuffers, external)
}

/** Bytes that the process holds more once the layers are full, and those that the caches tell. */
const filled = async (cache: CachePlan) => {
  const caches = openCaches(layers(), cache)
  const before = held()
  for (const layer of caches.layers) {
    const [keys, values] = [0, 1].map(() => tf.tensor4d(NUMBERS, [1, HEADS, ENTRIES, SIZE]))
    layer!.append(keys, values)
    tf.dispose([keys, values])
  }
  await caches.settle('prompt')
  const [process_, told] = [held() - before, caches.bytes.total]
  caches.dispose()
  return { 'MB told': told / 1e6, 'MB held': process_ / 1e6, apart: Math.abs(process_ / told - 1) }
}

const memory: Claim = {
  name: 'memory',
  says: `${LAYERS} layers of ${HEADS} heads of ${SIZE} channels with ${ENTRIES} entries: the process holds what the trees say, within 10 %`,
  figures: {
    'MB told': { better: 'lower', digits: 1, tie: 0 },
    'MB held': { better: 'lower', digits: 1, tie: 0 },
    apart: { better: 'lower', digits: 3, tie: 0 },
  },
  sides: () =>
    Object.entries({ float: [], int8: [int8()], int4: [int4()], 'KIVI 2 bits': [kivi()] } as Readonly<Record<string, CachePlan>>).map(
      ([name, cache]): Side => ({ name, fixed: true, measure: () => filled(cache) }),
    ),
  orders: ['float', 'int8', 'int4', 'KIVI 2 bits'].map(first => ({ figure: 'apart', first, than: 0.1 })),
}

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
const steps: Claim = {
  name: 'step-time',
  says: 'a step of 4 layers of 8 heads of 64 behind 1,024 and 4,096 entries: int8 and int4 below the float cache, others at most 1.3 times it',
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
  orders: LENGTHS.flatMap(length => ['int8', 'int4'].map(first => ({ figure: figure(length), first, than: 'float' }))),
}

export const MEMORY: readonly Claim[] = [memory, steps]
