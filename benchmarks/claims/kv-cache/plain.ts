/** Rounding without anything else, which encodings are to beat. */
import { choice, defineEncoding, integer, tiledFrom } from '@tersor/core'

/** Keys and values alike, by entries or by channels of a block. */
export const plain = defineEncoding({
  name: 'plain',
  summary: 'rounds keys and values alike',
  options: {
    bits: integer({ min: 1, max: 8, default: 2, doc: 'of both' }),
    along: choice(['token', 'channel'], { default: 'token', doc: 'what shares a scale' }),
    group: integer({ min: 1, default: 64, doc: 'how many of them' }),
    recent: integer({ min: 1, default: 1, doc: 'newest entries that stay exact' }),
    block: integer({ min: 1, default: 64, doc: 'entries that leave at once' }),
  },
  make: ({ bits, along, group, recent, block }) => {
    const grid = { bits, symmetric: false, ...(along === 'token' ? { height: 1, width: group } : { height: group, width: 1 }) }
    return {
      kind: 'encoding',
      needs: {},
      exact: { recent, block },
      encode: async ({ keys, values }) => [{ keys: await tiledFrom(keys, grid), values: await tiledFrom(values, grid) }],
    }
  },
})
