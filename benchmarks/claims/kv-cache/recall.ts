/** Recall: the share of questions that a network answers rightly which answers all with a full cache. */
import { createRng, type CachePlan } from '@tersor/core'
import { ems, expectedAttention, gear, h2o, int4, int8, keyNorm, kivi, lowRankCache, miKv, random, rotated, snapKv, streamingLlm, tova, zipCache } from '@tersor/kv-cache' // prettier-ignore
import { openSession, recallLlama, recallPrompt } from '@tersor/models'
import type { Claim, Side } from '../training/claim.js'
import { plain } from './plain.js'

const PROMPTS = 40
const LENGTH = 512
const SHARE = { better: 'higher', digits: 2, tie: 0.05 } as const

const likeliest = (logits: Float32Array): number => logits.reduce((best, value, i) => (value > logits[best] ? i : best), 0)

interface Asking {
  readonly facts: number
  readonly dial?: number
  readonly seed: number
}

/**
 * A question inside is there when the plan is asked, as the last token of the prompt, and its answer is made of what the plan left; one after
 * comes when the prompt is small already. Bytes are those of the cache behind the prompt.
 */
const recallOf = async (cache: CachePlan, asks: 'inside' | 'after', { facts, dial = 1, seed }: Asking) => {
  const first = await openSession(recallLlama({ dial }), { cache, seed })
  let [right, bytes] = [0, 0]
  for (let i = 0; i < PROMPTS; i++) {
    const { ids, answer } = recallPrompt(createRng(seed).fork(`recall ${i}`), { length: LENGTH, facts })
    const session = first.fork()
    await session.append(asks === 'inside' ? ids : ids.slice(0, -1))
    bytes += session.bytes.total
    // the question is asked again, of what was kept for it
    if (asks === 'inside') session.caches.layers.forEach(layer => layer?.rewind(ids.length - 1))
    if (likeliest(await session.append(ids.slice(-1))) === answer) right++
    session.dispose()
  }
  first.dispose()
  return { recall: right / PROMPTS, bytes: bytes / PROMPTS }
}

const side = (name: string, cache: CachePlan, { facts = 24, dial = 1 } = {}): Side => ({
  name,
  fixed: true,
  measure: async seed => {
    const [inside, after] = [await recallOf(cache, 'inside', { facts, dial, seed }), await recallOf(cache, 'after', { facts, dial, seed })]
    return { inside: inside.recall, after: after.recall, kilobytes: after.bytes / 1024 }
  },
})

const FIGURES = { inside: SHARE, after: SHARE, kilobytes: { better: 'lower', digits: 0, tie: 0 } } as const

const policies: Claim = {
  name: 'recall',
  says: `${LENGTH} tokens with 24 facts, entries kept by each policy, the question inside and after: a window remembers the share it keeps, SnapKV at an eighth 0.95 inside`,
  figures: FIGURES,
  sides: () => [
    side('everything', []),
    ...[64, 128, 256].map(keep => side(`window ${keep}`, [streamingLlm({ sinks: 4, window: keep - 4 })])),
    ...[64, 128].flatMap(keep => [
      side(`SnapKV ${keep}`, [snapKv({ keep })]),
      side(`TOVA ${keep}`, [tova({ keep })]),
      side(`H2O ${keep}`, [h2o({ keep })]),
      side(`H2O by plain sums ${keep}`, [h2o({ keep, like: 'paper' })]),
      side(`key norm ${keep}`, [keyNorm({ keep })]),
      side(`Expected Attention ${keep}`, [expectedAttention({ keep })]),
      side(`random ${keep}`, [random({ keep })]),
      side(`EMS ${keep}`, [ems({ keep })]),
    ]),
  ],
  orders: [
    { figure: 'after', first: 'everything', than: 1 },
    { figure: 'inside', first: 'SnapKV 64', than: 0.95 },
    { figure: 'inside', first: 'SnapKV 64', than: 'TOVA 64', orEqual: true },
    { figure: 'inside', first: 'TOVA 64', than: 'H2O 64', orEqual: true },
    { figure: 'after', first: 'Expected Attention 64', than: 'SnapKV 64' },
    { figure: 'after', first: 'window 256', than: 0.4 },
  ],
  failing:
    'Expected Attention alone does not: queries so far are those of fillers, so what it expects is more of them, and facts look at by nobody yet are the first to go',
}

const fewBits: Claim = {
  name: 'bits',
  says: `the same with everything kept in few bits: 0.9 at least after the prompt was encoded`,
  figures: FIGURES,
  sides: () => [
    side('int8', [int8({ recent: 32 })]),
    side('int4', [int4()]),
    side('KIVI 2 bits', [kivi()]),
    side('GEAR-L 2 bits', [gear({ recent: 32, outliers: 0 })]),
    side('GEAR 2 bits', [gear({ recent: 32 })]),
    side('ZipCache 4 and 2 bits', [zipCache({ recent: 32 })]),
    side('MiKV half and 2 bits', [miKv()]),
    side('low rank, half', [lowRankCache({ keep: 0.5 })]),
    side('plain 2 bits', [plain({ recent: 32 })]),
  ],
  orders: ['int8', 'int4', 'KIVI 2 bits', 'GEAR 2 bits', 'ZipCache 4 and 2 bits', 'MiKV half and 2 bits'].map(first => ({
    ...{ figure: 'after', first, than: 0.9 },
  })),
}

const outliers: Claim = {
  name: 'outliers',
  says: 'keys with channels ten times as large, 2 bits: KIVI 0.9 at least after, where rounding by entries has 0.5 at most; turned keys double that',
  figures: FIGURES,
  sides: () => [
    side('plain 2 bits', [plain({ recent: 32 })], { dial: 10 }),
    side('KIVI 2 bits', [kivi()], { dial: 10 }),
    side('turned, plain 2 bits', [rotated({ encoding: plain({ recent: 32 }) })], { dial: 10 }),
    side('GEAR 2 bits', [gear({ recent: 32 })], { dial: 10 }),
  ],
  orders: [
    { figure: 'after', first: 'KIVI 2 bits', than: 0.9 },
    { figure: 'after', first: 'KIVI 2 bits', than: 'plain 2 bits' },
    { figure: 'after', first: 'turned, plain 2 bits', than: 'plain 2 bits' },
  ],
}

const retained: Claim = {
  name: 'retained',
  says: 'the question after, at 3.2 bits: ZipCache and MiKV above H2O that keeps as many bytes; MiKV, half evicted against half at 3 bits',
  figures: FIGURES,
  sides: () => [
    side('ZipCache 3.2 bits', [zipCache({ recent: 32 })]),
    side('MiKV 3.2 bits', [miKv({ high: '8', low: 2, important: 0.2 })]),
    side('H2O 160', [h2o({ keep: 160 })]), // as many bytes as the larger of the two
    side('MiKV, half at 3 bits', [miKv({ low: 3, important: 0.5 })]),
    side('H2O, half evicted', [h2o({ keep: 0.5 })]),
    side('MiKV 3.2 bits, dial 10', [miKv({ high: '8', low: 2, important: 0.2 })], { dial: 10 }),
    side('MiKV 3.2 bits unbalanced, dial 10', [miKv({ high: '8', low: 2, important: 0.2, balanced: false })], { dial: 10 }),
  ],
  orders: [
    { figure: 'after', first: 'ZipCache 3.2 bits', than: 'H2O 160' },
    { figure: 'after', first: 'MiKV 3.2 bits', than: 'H2O 160' },
    { figure: 'after', first: 'MiKV, half at 3 bits', than: 0.9 },
    { figure: 'after', first: 'MiKV, half at 3 bits', than: 'H2O, half evicted' },
    { figure: 'after', first: 'MiKV 3.2 bits, dial 10', than: 'MiKV 3.2 bits unbalanced, dial 10' },
  ],
}

export const RECALL: readonly Claim[] = [policies, fewBits, outliers, retained]
