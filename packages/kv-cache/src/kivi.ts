import { defineEncoding, integer, tiledFrom } from '@tersor/core'
import { exactOptions, refusedGroup } from './exact-window.js'

/**
 * KIVI: rounds keys channel by channel, since their outliers stand in a few channels, and values entry by entry.
 * Keys: a scale and a minimum for each channel of `group` entries; values: for each `group` channels of an entry.
 * bits + 32 / group an element. Throws BAD_OPTION for blocks that are no multiple of the group.
 * Liu et al. 2024, https://arxiv.org/abs/2402.02750
 */
export const kivi = defineEncoding({
  name: 'kivi',
  summary: 'rounds keys by channels and values by entries',
  paper: {
    title: 'KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache',
    authors: 'Liu et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2402.02750',
  },
  differs: 'values leave the exact window in blocks, with their keys, and not one by one',
  options: {
    bits: integer({ min: 1, max: 8, default: 2, doc: 'of keys and values' }),
    group: integer({ min: 1, default: 32, doc: 'entries of a channel, for values channels of an entry, that share a scale' }),
    ...exactOptions({ recent: 32, block: 32 }),
  },
  check: ({ group, block }) => refusedGroup(group, block),
  make: ({ bits, group, recent, block }) => ({
    kind: 'encoding',
    needs: {},
    exact: { recent, block },
    encode: async ({ keys, values }) => [
      {
        keys: await tiledFrom(keys, { bits, symmetric: false, height: group, width: 1 }),
        values: await tiledFrom(values, { bits, symmetric: false, height: 1, width: group }),
      },
    ],
  }),
})
