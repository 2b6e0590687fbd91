import type { Pass } from '@tersor/core'

/** No step: the writer of a format does what is done. */
export const asItIs: Pass = Object.freeze<Pass>({ kind: 'pass', name: 'pipeline', steps: Object.freeze([]), run: async model => model })
