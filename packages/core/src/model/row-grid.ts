import * as tf from '@tensorflow/tfjs-core'
import { through } from '@tersor/kernels/through'
import { CompressionError, fromIntegers, type Parameter, type ParameterStore } from '@tersor/tensor'
import type { Env, Site, Stage } from './model.js'

/** No row has a smaller largest value. */
const SMALLEST = 1e-5

/** Where the store says that each row of a site's inputs is rounded on a grid of its own: the largest code, u8 (1). */
export const rowGridName = ({ name }: Pick<Site, 'name'>): string => `${name}.input_row_levels`

/** Codes −(2^(bits−1) − 1) … 2^(bits−1) − 1 for each row of a site's inputs, by name. */
export const rowGridParameters = (site: Pick<Site, 'name'>, bits: number): ReadonlyMap<string, Parameter> =>
  new Map([[rowGridName(site), fromIntegers([2 ** (bits - 1) - 1], 'u8', [1])]])

/**
 * s · round(x / s) with a step for each row, s = max |x| / levels over its last axis; (…, in), and levels a number or (1). The gradient passes
 * straight through. Ma et al. 2024, https://arxiv.org/abs/2402.17764
 */
export const roundRows = (x: tf.Tensor, levels: tf.Tensor | number): tf.Tensor => {
  const step = tf.div(tf.maximum(tf.max(tf.abs(x), -1, true), SMALLEST), tf.cast(levels, 'float32'))
  return through(tf.mul(tf.round(tf.div(x, step)), step), x)
}

/** The sites of a stage whose store has a grid for each row of their inputs, by name. */
export const storedRowGrids = ({ sites }: Pick<Stage, 'sites'>, params: ParameterStore): ReadonlySet<string> => {
  const stored = new Set(params.names())
  return new Set(sites.filter(site => stored.has(rowGridName(site))).map(({ name }) => name))
}

/** What a stage is given while it runs, with the inputs of these sites rounded row by row. */
export const onRowGrids = (env: Env, sites: ReadonlySet<string>): Env => {
  if (sites.size === 0) return env
  return {
    ...env,
    activation: (site, x) => {
      const given = env.activation?.(site, x) ?? x
      return sites.has(site.name) ? roundRows(given, env.weights(rowGridName(site))) : given
    },
  }
}

/** A stage that rounds the inputs of these sites row by row. Throws UNSUPPORTED where another runtime computes it. */
export const withRowGrids = (stage: Stage, names: ReadonlySet<string>): Stage => {
  if (names.size === 0) return stage
  if (stage.differentiable === false)
    throw new CompressionError(
      'UNSUPPORTED',
      `The stage "${stage.name}" is computed by another runtime, which does not round the inputs of "${[...names][0]}" row by row.`,
      'Open the network as one of @tersor/models, or leave inputs as they are when training it.',
      { stage: stage.name, sites: [...names] },
    )
  const added = stage.sites.filter(({ name }) => names.has(name)).map(rowGridName)
  return Object.freeze<Stage>({
    ...stage,
    parameters: [...new Set([...stage.parameters, ...added])],
    buffers: [...new Set([...(stage.buffers ?? []), ...added])],
    run: (x, env) => stage.run(x, onRowGrids(env, names)),
  })
}
