import { activationNames, inputNames } from './activation-grid.js'
import type { Model, Site } from './model.js'
import { CompressionError, type ParameterStore } from '@tersor/tensor'

type NamesOf = (site: Site) => readonly string[]

const siteWith = ({
  params,
  sites,
  names,
}: {
  readonly params: ParameterStore
  readonly sites: readonly Site[]
  readonly names: NamesOf
}) => {
  const stored = new Set(params.names())
  return sites.find(site => names(site).some(name => stored.has(name)))
}

/** The first of some sites whose inputs are rounded. */
export const siteOnGrid = (params: ParameterStore, sites: readonly Site[]): Site | undefined =>
  siteWith({ params, sites, names: inputNames })

/** Refuses a pass that changes what sites see where a grid was learned from what they saw before: it would clip, or be too wide. Grids of rows are laid as they come. */
export const refuseActivationGrids = (pass: string, { params, stages }: Model): void => {
  const site = siteWith({ params, sites: stages.flatMap(stage => stage.sites), names: activationNames })
  if (!site) return
  throw new CompressionError(
    'COMPOSITION',
    `${pass} would change the inputs of "${site.name}", whose grid was learned from those of now.`,
    `Put ${pass} before quantize-activations.`,
    { pass, site: site.name },
  )
}
