import type { Channels, Scaling, Site, Rotation } from '@tersor/core'
import { biasOf } from './layers.js'

/** Where a linear layer stands among the channels of others. */
export interface Rows {
  readonly site: Site
  /** First of its output channels, where one weight holds several layers. */
  readonly start: number
  readonly count: number
  readonly bias: boolean
}

/** The output channels of a linear layer, bias included. */
export const outputsOf = ({ site, start, count, bias }: Rows): readonly Channels[] => [
  { parameter: site.weight, axis: site.outAxis, start, count },
  ...(bias ? [{ parameter: biasOf(site), axis: 0, start, count }] : []),
]

/** The input channels of a linear layer. */
export const inputsOf = (site: Site, count: number): Channels => ({ parameter: site.weight, axis: site.inAxis, count })

/** A linear layer whose outputs another one reads, with nothing between them that a scale would not pass through. */
export const linearScaling = (from: Rows, to: Site): Scaling => ({ source: 'linear', from: outputsOf(from), sites: [to] })

/** A norm with its readers; `parameters` are its weight and, where there is one, its bias. */
export const normScaling = (parameters: readonly string[], count: number, sites: readonly Site[], offset = 0): Scaling => ({
  source: 'norm',
  from: parameters.map(parameter => ({ parameter, axis: 0, count, ...(offset === 0 ? {} : { offset }) })),
  sites,
})

/** The values of each head on their way to the output projection: attention mixes positions, not channels. */
export const valueRotation = (size: number, values: Rows, output: Site, outputInputs: number): Rotation => ({
  size,
  from: outputsOf(values),
  to: [inputsOf(output, outputInputs)],
})
