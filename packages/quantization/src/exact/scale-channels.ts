import {
  refuseActivationGrids,
  scaleChannels,
  type Collector,
  type Model,
  type Scaling,
  type Site,
  type Stage,
  type Visit,
} from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

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
