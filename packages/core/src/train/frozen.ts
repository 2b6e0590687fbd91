import type { GradientTransform } from './gradient-transform.js'
import type { Treatment } from './leaves.js'
import { held } from './node.js'

/** What stays as it is: as a treatment of parameters, which then cost no variable, or as the transform of a group. */
export const frozen: Treatment & GradientTransform<[]> = Object.freeze({
  name: 'frozen',
  node: (_name: string, parameter: Parameters<Treatment['node']>[1]) => held(parameter),
  init: () => [],
  update: () => {
    throw new Error('What is frozen has no update.')
  },
  moves: () => false,
} satisfies Treatment & GradientTransform<[]>)
