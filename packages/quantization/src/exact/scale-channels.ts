import type { Channels, Collector, Model, Scaling, Site, Stage, Visit } from '@tersor/core'
import { CompressionError, fromFloat32, sizeOf, toFloat32, type Dense } from '@tersor/tensor'
import { refuseActivationGrids } from './activation-grids.js'

/** Multiplies channels, (value + offset) · factor − offset; the result is f32, so that nothing is rounded to fewer bits. */
export const scaleChannels = (
  parameter: Dense,
  { axis, start = 0, count, offset = 0 }: Channels,
  factor: (channel: number) => number,
): Dense => {
  const { shape } = parameter
  const values = toFloat32(parameter)
  const after = sizeOf(shape.slice(axis + 1))
  const factors = Float64Array.from({ length: shape[axis] }, (_, at) => (at >= start && at < start + count ? factor(at - start) : 1))
  for (let from = 0, at = 0; from < values.length; from += after, at = (at + 1) % factors.length)
    if (at >= start && at < start + count) for (let i = from; i < from + after; i++) values[i] = (values[i] + offset) * factors[at] - offset
  return fromFloat32(values, 'f32', shape)
}

/** Divides the channels of a scaling where they are made and multiplies them where they are read. */
export const applyScaling = async (
  { from, sites, readers = [] }: Scaling,
  scales: Float64Array,
  { dense, replace }: Pick<Visit, 'dense' | 'replace'>,
): Promise<void> => {
  for (const channels of from)
    replace(
      channels.parameter,
      scaleChannels(await dense(channels.parameter), channels, channel => 1 / scales[channel]),
    )
  const inputs = sites.map(({ weight, inAxis }) => ({ parameter: weight, axis: inAxis, count: scales.length }))
  for (const channels of [...inputs, ...readers])
    replace(
      channels.parameter,
      scaleChannels(await dense(channels.parameter), channels, channel => scales[channel]),
    )
}

/** Whether a stage has channels to scale. */
export const hasScalings = ({ scalings = [] }: Stage): boolean => scalings.length > 0

/** Whether a stage has channels behind a norm to scale. */
export const hasNormScalings = ({ scalings = [] }: Stage): boolean => scalings.some(({ source }) => source === 'norm')

/** Refuses a model of which nobody said where scales are free, or that has channels of another kind only: a step that does nothing is a mistake. */
export const checkScalings = (pass: string, model: Model, isFree: (stage: Stage) => boolean = hasScalings): void => {
  refuseActivationGrids(pass, model)
  if (model.stages.some(isFree)) return
  if (model.stages.some(hasScalings))
    throw new CompressionError(
      'UNSUPPORTED',
      `${pass} finds no norm in this model that stands before what reads it, so there is nothing for it to do.`,
      'Leave the step out: the norms of BERT stand behind the sum, and what they give is read by the next sum too. awq scales what it can here.',
      { pass },
    )
  throw new CompressionError(
    'UNSUPPORTED',
    `${pass} finds no channels in this model whose scale is free.`,
    'Use a network of @tersor/models, or give its stages `scalings`: which parameters make channels and which sites read them.',
    { pass },
  )
}

/** Statistics of sites, once where several see one tensor. */
export const distinctStats = <S>(
  sites: readonly Site[],
  collected: Pick<Collector, 'of'>,
): { readonly stats: S; readonly sites: readonly Site[] }[] => {
  const groups = new Map<unknown, Site[]>()
  for (const site of sites) {
    const { stats } = collected.of(site)
    groups.set(stats, [...(groups.get(stats) ?? []), site])
  }
  return [...groups].map(([stats, of]) => ({ stats: stats as S, sites: of }))
}
