/** Fills a cache, makes it small in one way, and says what the process and the trees fell by: a process of its own, since what others freed would count. */
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng, openCaches, type AttentionFacts, type CachePlan, type Caches, type Stage } from '@tersor/core'
import { int4, int8, kivi, streamingLlm } from '@tersor/kv-cache'
import { setTimeout } from 'node:timers/promises'

const [LAYERS, HEADS, SIZE, POSITIONS] = [16, 8, 64, 4096]
const ATTENTION: AttentionFacts = { heads: HEADS, keyHeads: HEADS, size: SIZE, scale: 1 / 8, positions: 'none' }

/** Ways to make a cache small, as plans; the name is the argument. */
const FORMS: Readonly<Record<string, () => CachePlan>> = {
  'half evicted': () => [streamingLlm({ sinks: 4, window: POSITIONS / 2 - 4, slack: 1 })],
  'seven eighths evicted': () => [streamingLlm({ sinks: 4, window: POSITIONS / 8 - 4, slack: 1 })],
  int8: () => [int8()],
  int4: () => [int4()],
  'KIVI 2 bits': () => [kivi()],
}

const stage = (index: number): Stage => ({ name: `layers.${index}`, parameters: [], sites: [], attention: ATTENTION, run: x => x })

/** A layer filled and made small, so that threads and kernels stand before anything is measured. */
const warmUp = async (plan: CachePlan): Promise<void> => {
  const caches = openCaches({ stages: [stage(0)] }, plan)
  fill(caches)
  await caches.settle('prompt')
  caches.dispose()
}

const fill = (caches: Caches): void => {
  const rng = createRng(1)
  for (const layer of caches.layers)
    tf.tidy(() => {
      const [keys, values] = [0, 1].map(() => {
        const numbers = Float32Array.from({ length: HEADS * POSITIONS * SIZE }, () => rng.uniform())
        return tf.tensor4d(numbers, [1, HEADS, POSITIONS, SIZE])
      })
      layer?.append(keys, values)
    })
}

/** What the process holds, once nothing is left to collect. */
const resident = async (): Promise<number> => {
  for (let round = 0; round < 4; round++) {
    ;(globalThis as { gc?: () => void }).gc?.()
    await setTimeout(50)
  }
  return process.memoryUsage().rss
}

const measure = async (plan: CachePlan) => {
  await tf.setBackend('cpu')
  await warmUp(plan)
  const empty = await resident()
  const caches = openCaches({ stages: Array.from({ length: LAYERS }, (_, i) => stage(i)) }, plan)
  fill(caches)
  const [full, told] = [await resident(), caches.bytes.total]
  await caches.settle('prompt')
  const [left, small] = [await resident(), caches.bytes.total]
  caches.dispose()
  return { told: (told - small) / 1e6, fell: (full - left) / 1e6, grew: (full - empty) / 1e6, float: told / 1e6 }
}

console.log(JSON.stringify(await measure(FORMS[process.argv[2]]())))
