import { choice, defineEncoding, integer, tiledFrom } from '@tersor/core'
import { exactOptions } from './exact-window.js'

/**
 * Keeps keys and values in 4 bits, counted from the minimum of each group of channels of an entry, or of each channel of a block.
 * scale = (max − min) / 15, code = round((x − min) / scale). 4 bits, and 32 / group an element for scales and minimums, or 32 / block.
 * Products are made with the codes. Throws BAD_OPTION.
 */
export const int4 = defineEncoding({
  name: 'int4',
  summary: 'keeps keys and values in 4 bits',
  options: {
    ...exactOptions({ recent: 32, block: 32 }),
    group: integer({ min: 1, default: 32, doc: 'channels of an entry that share a scale, the whole head where it does not divide that' }),
    along: choice(['token', 'channel'], { default: 'token', doc: 'what shares a scale: channels of an entry, or the entries of a block in a channel' }), // prettier-ignore
  },
  make: ({ recent, block, group, along }) => {
    const grid = { bits: 4, symmetric: false, ...(along === 'token' ? { height: 1, width: group } : { height: block, width: 1 }) }
    return {
      kind: 'encoding',
      needs: {},
      exact: { recent, block },
      encode: async ({ keys, values }) => [{ keys: await tiledFrom(keys, grid), values: await tiledFrom(values, grid) }],
    }
  },
})
