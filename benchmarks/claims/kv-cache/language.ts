/** Perplexity of the bundled model with the cache in the loop: 128 tokens of prompt, then 16 at a time, behind each of which the plan is asked. */
import type { CachePlan } from '@tersor/core'
import { perplexity } from '@tersor/evaluation'
import { cskv, ems, fitChannels, gear, h2o, int4, int8, kivi, miKv, projectionChannels, snapKv, streamingLlm, zipCache } from '@tersor/kv-cache' // prettier-ignore
import { PERPLEXITY, type Claim, type Side } from '../training/claim.js'
import { bundled } from '../training/texts.js'
import { logitsApart } from './logits-apart.js'
import { plain } from './plain.js'

const LENGTH = 256
/** Of the 163 whole ones. */
const WINDOWS = 32
/** Windows that channels are fitted to. */
const FITTED = 16
const CLOSE = { ...PERPLEXITY, tie: 0.02 }
const FIGURES = { perplexity: CLOSE, kilobytes: { better: 'lower', digits: 1, tie: 0 } } as const

const APART = { ...FIGURES, 'logits apart': { better: 'lower', digits: 4, tie: 0 } } as const

const windows = async () => {
  const { validation } = await bundled()
  return validation.filter(({ length }) => length === LENGTH).slice(0, WINDOWS)
}

const read = async (cache: CachePlan, seed: number) => {
  const { model } = await bundled()
  const measured = await perplexity(model, await windows(), { cache, prompt: LENGTH / 2, step: 16, seed })
  return { perplexity: measured.perplexity, kilobytes: measured.cacheBytes / 1024 }
}

const side = (name: string, cache: CachePlan | (() => Promise<CachePlan>)): Side => ({
  name,
  fixed: true,
  measure: async seed => read(typeof cache === 'function' ? await cache() : cache, seed),
})

const float = side('float', [])
const exact = { recent: 1, block: 64 }

/** Perplexities as parts of that of the float cache. */
const partsOf = (name: string, says: string, within: number, sides: readonly Side[], orders: Claim['orders'] = []): Claim => ({
  ...{ name, says },
  figures: { ...APART, 'against float': { better: 'lower', digits: 4, tie: 0 } },
  sides: () => {
    let reference: number | undefined
    return [float, ...sides].map(each => ({
      ...each,
      measure: async seed => {
        const figures = await each.measure(seed)
        reference ??= figures.perplexity
        return { ...figures, 'against float': figures.perplexity / reference }
      },
    }))
  },
  orders: [{ figure: 'against float', first: sides[0].name, than: 1 + within }, ...orders],
})

/** Windows whose logits are compared. */
const COMPARED = 8
const coded = (name: string, plan: CachePlan | (() => Promise<CachePlan>)): Side => ({
  ...{ name, fixed: true },
  measure: async seed => {
    const { model } = await bundled()
    const cache = typeof plan === 'function' ? await plan() : plan
    return { ...(await read(cache, seed)), 'logits apart': await logitsApart(model, (await windows()).slice(0, COMPARED), cache, seed) }
  },
})
const gearOrder: Claim = {
  name: 'gear',
  says: 'at 4 bits an element in all: plain 2 bits further from the float cache than KIVI, than GEAR without outliers, than GEAR',
  figures: APART,
  sides: () => [
    float,
    coded('plain', [plain({ ...exact, bits: 2, group: 16 })]),
    coded('KIVI', [kivi({ ...exact, bits: 2, group: 16 })]),
    coded('GEAR-L', [gear({ ...exact, bits: 2, group: 64, rank: 3, decoded: 3, outliers: 0 })]),
    coded('GEAR', [gear({ ...exact, bits: 2, group: 64, rank: 2, decoded: 2, outliers: 0.02 })]),
    coded('KIVI, groups of 64', [kivi({ ...exact, bits: 2, group: 64 })]),
    coded('plain, groups of 64', [plain({ ...exact, bits: 2, group: 64 })]),
  ],
  orders: [
    { figure: 'logits apart', first: 'KIVI', than: 'plain' },
    { figure: 'logits apart', first: 'GEAR-L', than: 'KIVI' },
    { figure: 'logits apart', first: 'GEAR', than: 'GEAR-L' },
    { figure: 'logits apart', first: 'KIVI, groups of 64', than: 'plain, groups of 64' },
    { figure: 'logits apart', first: 'GEAR', than: 'KIVI, groups of 64' },
  ],
  failing:
    'without outliers it is behind KIVI of as many bytes: in heads of 64 channels and blocks of 64 entries a direction takes half a bit an element, and smaller groups do more with that; ranks 1 to 3 were tried. GEAR is ahead of KIVI with groups as large as its own, not of one with groups of 16. Perplexity tells none of them apart', // prettier-ignore
}

const bits4 = partsOf('gear-4-bits', 'GEAR at 4 bits within 0.5 % of the float cache', 0.005, [
  side('GEAR 4 bits', [gear({ ...exact, bits: 4 })]),
  side('KIVI 4 bits', [kivi({ ...exact, bits: 4, group: 64 })]),
])
const native8 = partsOf('int8', 'int8 within 0.2 % of the float cache', 0.002, [side('int8', [int8()])])
const native4 = partsOf('int4', 'int4 within 3 % of the float cache', 0.03, [side('int4', [int4({ ...exact })])])

const mixed: Claim = {
  name: 'zip-cache',
  says: 'ZipCache at 3.2 bits nearer to the float cache than 3 bits for all, and than the same by plain sums of shares; MiKV at 3.2 bits nearer than 3 bits for all',
  figures: APART,
  sides: () => [
    float,
    coded('3 bits for all', [kivi({ ...exact, bits: 3, group: 64 })]),
    coded('ZipCache', [zipCache({ recent: 1, block: 64 })]),
    coded('ZipCache by plain sums', [zipCache({ recent: 1, block: 64, like: 'sums' })]),
    coded('MiKV', [miKv({ recent: 1, block: 64, high: '8', low: 2, important: 0.2 })]),
  ],
  orders: [
    { figure: 'logits apart', first: 'ZipCache', than: '3 bits for all' },
    { figure: 'logits apart', first: 'ZipCache', than: 'ZipCache by plain sums' },
    { figure: 'logits apart', first: 'MiKV', than: '3 bits for all' },
  ],
  failing:
    'shares normalised by counts are better than plain sums; 3 bits for all, which are KIVI’s here, are better than tiers: attention of so small a network is spread over the text, and the entries in 2 bits lose more than the others win',
}

const merging: Claim = {
  name: 'ems',
  says: '64 entries, asked every 16 tokens: EMS not above the same that evicts alone',
  figures: FIGURES,
  sides: () => [
    float,
    side('EMS', [ems({ keep: 64, every: 16 })]),
    side('EMS without counts', [ems({ keep: 64, every: 16, counts: false })]),
    side('the same, evicting alone', [ems({ keep: 64, every: 16, alike: 0.9999 })]),
    side('SnapKV', [snapKv({ keep: 64, every: 16 })]),
    side('H2O', [h2o({ keep: 64, every: 16 })]),
    side('window', [streamingLlm({ sinks: 4, window: 60, slack: 16 })]),
  ],
  orders: [{ figure: 'perplexity', first: 'EMS', than: 'the same, evicting alone', orEqual: true }],
}

const half = { keys: 0.5, values: 0.5 }
let learned: ReturnType<typeof fitChannels> | undefined
const fitted = async () => {
  const { model, calibration } = await bundled()
  return (learned ??= fitChannels(model, { ...half, calibration: calibration.slice(0, FITTED) }))
}
const projected = async () => projectionChannels((await bundled()).model, half)

const channels = partsOf(
  'cskv',
  'half the channels, fitted, with a window of 32: within 3 % of the float cache, nearer to its logits than without the window, and than with the directions of the projections',
  0.03,
  [
    coded('CSKV', async () => [cskv({ bases: await fitted() })]),
    coded('CSKV without a window', async () => [cskv({ bases: await fitted(), recent: 1, block: 1 })]),
    coded('directions of the projections', async () => [cskv({ bases: await projected() })]),
  ],
  [
    { figure: 'logits apart', first: 'CSKV', than: 'CSKV without a window' },
    { figure: 'logits apart', first: 'CSKV', than: 'directions of the projections' },
  ],
)

const LONG = 1025
/** Long texts, cut from the validation text. */
const longTexts = async () => {
  const ids = (await bundled()).validation.flat()
  return Array.from({ length: Math.min(12, Math.floor(ids.length / LONG)) }, (_, i) => ids.slice(i * LONG, (i + 1) * LONG))
}

const streaming: Claim = {
  name: 'streaming',
  says: '1,024 tokens through a context of 256, 4 sinks and 236 of the newest, positions made compact: loss at most that of disjoint windows; true positions clearly worse',
  figures: { perplexity: PERPLEXITY },
  sides: async () => {
    const { model } = await bundled()
    const texts = await longTexts()
    const streamed = async (positions: 'compact' | 'true') => {
      const cache = [streamingLlm({ sinks: 4, window: 236, slack: 16, positions })]
      return { perplexity: (await perplexity(model, texts, { cache, prompt: LENGTH, step: 16 })).perplexity }
    }
    const disjoint = texts.flatMap(text => [1, 2, 3].map(i => text.slice(i * LENGTH, (i + 1) * LENGTH)))
    return [
      { name: 'compact positions', fixed: true, measure: () => streamed('compact') },
      { name: 'true positions', fixed: true, measure: () => streamed('true') },
      { name: 'disjoint windows', fixed: true, measure: async () => ({ perplexity: (await perplexity(model, disjoint)).perplexity }) },
    ]
  },
  orders: [
    { figure: 'perplexity', first: 'compact positions', than: 'disjoint windows', orEqual: true },
    { figure: 'perplexity', first: 'compact positions', than: 'true positions' },
  ],
}

export const LANGUAGE: readonly Claim[] = [native8, native4, gearOrder, bits4, mixed, merging, channels, streaming]
