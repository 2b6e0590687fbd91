import { activationNames, type Model, type Site } from '@tersor/core'
import { CompressionError, type ParameterStore } from '@tersor/tensor'

/** The first of some sites whose inputs stand on a grid. */
export const siteOnGrid = (params: ParameterStore, sites: readonly Site[]): Site | undefined => {
  const stored = new Set(params.names())
  return sites.find(site => activationNames(site).some(name => stored.has(name)))
}

/** Refuses a pass that changes what sites see where a grid was learned from what they saw before: it would clip, or be too wide. */
export const refuseActivationGrids = (pass: string, { params, stages }: Model): void => {
  const site = siteOnGrid(
    params,
    stages.flatMap(stage => stage.sites),
  )
  if (!site) return
  throw new CompressionError(
    'COMPOSITION',
    `${pass} would change the inputs of "${site.name}", whose grid was learned from those of now.`,
    `Put ${pass} before quantize-activations.`,
    { pass, site: site.name },
  )
}
