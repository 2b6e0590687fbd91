import { relativeError } from '@tersor/core/internal/run/relative-error'
import { sitesOf, type Provenance } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { listMethods } from './methods.js'

/** How far a layer's weight is from the one that it came from: ‖W − Ŵ‖² / ‖W‖². */
export interface WeightError {
  readonly layer: string
  readonly error: number
}

/** Steps that write the same function in other weights: behind them weights say nothing of errors. */
const movesWeights = ({ method }: Provenance): boolean => {
  const found = listMethods().find(({ factory }) => factory.description.name === method)
  if (!found) return false
  try {
    return (found.factory({}) as { readonly exact?: boolean }).exact === true
  } catch {
    return false // it needs options, which no exact pass does
  }
}

/** Errors of the layers that two models have in common, in the order of the network; none where a step moved weights about. */
export const weightErrors = async (model: OpenedModel, reference: OpenedModel, signal?: AbortSignal): Promise<readonly WeightError[]> => {
  const own = (model.provenance ?? []).slice(reference.provenance?.length ?? 0)
  if (own.some(movesWeights)) return []
  const others = new Map(sitesOf(reference).map(site => [site.name, site] as const))
  const names = new Set(model.params.names())
  const seen = new Set<string>()
  const errors: WeightError[] = []
  for (const { name: layer, weight } of sitesOf(model)) {
    const other = others.get(layer)
    if (!other || !names.has(weight) || seen.has(weight)) continue
    seen.add(weight)
    signal?.throwIfAborted()
    const [now, before] = [model.params.info(weight).shape, reference.params.info(other.weight).shape]
    if (`${now}` !== `${before}`) continue // another form of the layer, such as fewer neurons
    const [was, is] = [await reference.params.read(other.weight), await model.params.read(weight)]
    errors.push({ layer, error: await relativeError(was, is, signal ? { signal } : {}) })
  }
  return errors
}
