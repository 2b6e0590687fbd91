import { sitesOf, type Model } from '@tersor/core/model'
import { sizeOf } from '@tersor/tensor'

/**
 * Multiply-adds of weights that one position takes, such as a token: Σ sizes of linear sites. Undefined for networks with convolutions, whose
 * number depends on the image (`multiplyAddsFor` counts them), and with experts, of which a token meets some.
 */
export const multiplyAddsOf = (model: Pick<Model, 'params' | 'stages' | 'couplings'>): number | undefined => {
  const sites = sitesOf(model)
  if (sites.length === 0 || sites.some(({ kind }) => kind === 'conv2d')) return undefined
  if (model.couplings?.some(({ kind }) => kind === 'experts')) return undefined
  return sites.filter(({ kind }) => kind === 'linear').reduce((sum, { weight }) => sum + sizeOf(model.params.info(weight).shape), 0)
}
