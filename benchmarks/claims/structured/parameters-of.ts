import type { Model } from '@tersor/core'

/** Numbers of all parameters. */
export const parametersOf = ({ params }: Model): number =>
  params.names().reduce((sum, name) => sum + params.info(name).shape.reduce((a, b) => a * b, 1), 0)
