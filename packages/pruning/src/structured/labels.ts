import { numbers, optional } from '@tersor/core'

/** The option of scores that go back from what the network should answer. */
export const LABELS = optional(
  numbers({ doc: 'the class of each input of calibration, in order; texts are asked for their next tokens, all else for what the network answers itself, where absent' }), // prettier-ignore
)
