import { choice, defineEncoding, tiledFrom } from '@tersor/core'
import { exactOptions } from './exact-window.js'

/** Beyond any number of entries or channels. */
const ALL = Number.MAX_SAFE_INTEGER

/**
 * Keeps keys and values in 8 bits around zero, with one scale for each entry of a head, or for each channel of a block.
 * scale = max |x| / 127, code = round(x / scale) + 128. 8 bits, and 16 / size an element for scales of entries, 16 / block for those of channels.
 * Products are made with the codes. Throws BAD_OPTION.
 */
export const int8 = defineEncoding({
  name: 'int8',
  summary: 'keeps keys and values in 8 bits, which is as good as exact',
  options: {
    ...exactOptions({ recent: 1, block: 16 }),
    along: choice(['token', 'channel'], { default: 'token', doc: 'what shares a scale: the channels of an entry, or the entries of a block in a channel' }), // prettier-ignore
  },
  make: ({ recent, block, along }) => {
    const grid = { bits: 8, symmetric: true, ...(along === 'token' ? { height: 1, width: ALL } : { height: block, width: 1 }) }
    return {
      kind: 'encoding',
      needs: {},
      exact: { recent, block },
      encode: async ({ keys, values }) => [{ keys: await tiledFrom(keys, grid), values: await tiledFrom(values, grid) }],
    }
  },
})
