import type { Tensor } from '@tensorflow/tfjs-core'
import type { AfterProduct, Env, Site, SiteProduct } from './model.js'

/** What a site multiplies: its input, or what `env.activation` makes of it; tap and probe see the same. Look-ups call it, products through `siteProduct`. */
export const siteInput = (site: Site, input: Tensor, env: Env): Tensor => {
  const x = env.activation?.(site, input) ?? input
  env.tap?.(site, x)
  env.probe?.(`${site.name}.inputs`, () => x)
  return x
}

const NOTHING: () => AfterProduct = () => ({})

/**
 * The product of a site without what is done behind it: by `env.product`, or by the stage itself as `times(input, weight)`. Every stage calls it
 * where a weight multiplies an input.
 */
export const siteProduct = (site: Site, given: Tensor, env: Env, times: SiteProduct['times'], after = NOTHING): Tensor => {
  const input = siteInput(site, given, env)
  const weight = (): Tensor => env.weights(site.weight)
  return env.product?.({ site, input, weight, times, after }) ?? times(input, weight())
}
