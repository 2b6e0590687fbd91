import { choice, definePolicy, integer } from '@tersor/core'
import { atBothEnds } from './budget.js'

/**
 * StreamingLLM: keeps the first entries, to which attention goes that has nowhere else to go, and a window of the newest.
 * Of n held entries, those at places below `sinks` and from n − window on. Asked whenever more than sinks + window are held.
 * Throws BAD_OPTION; COMPOSITION or UNSUPPORTED where compact positions meet learned ones or a rotation that follows the text.
 * Xiao et al. 2023, https://arxiv.org/abs/2309.17453
 */
export const streamingLlm = definePolicy({
  name: 'streaming-llm',
  summary: 'keeps the first entries and a window of the newest, for texts without end',
  paper: {
    title: 'Efficient Streaming Language Models with Attention Sinks',
    authors: 'Xiao et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2309.17453',
  },
  differs: 'keys are kept rotated and turned by what they move; entries are let go `slack` at a time',
  options: {
    sinks: integer({ min: 0, default: 4, doc: 'entries at the beginning that always stay' }),
    window: integer({ min: 1, default: 252, doc: 'newest entries that stay' }),
    slack: integer({
      min: 1,
      default: 16,
      doc: 'entries beyond both at which the oldest are let go; a prompt is read in pieces of as many',
    }),
    positions: choice(['true', 'compact'], {
      default: 'true',
      doc: 'compact renumbers what is held 0, 1, 2 …, so that a text may outgrow the context',
    }),
  },
  make: ({ sinks, window, slack, positions }) => ({
    kind: 'policy',
    needs: {},
    when: { over: sinks + window, slack },
    ...(positions === 'compact' ? { positions } : {}),
    keep: ({ parts }) =>
      parts.flatMap(({ positions }) => positions.map(({ length }) => Int32Array.from(atBothEnds(length, sinks, window)))),
  }),
})
