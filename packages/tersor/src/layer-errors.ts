import { relativeError } from '@tersor/core/internal/run/relative-error'
import { sitesOf } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'

/** How far a layer's weight is from the one that it came from: ‖W − Ŵ‖² / ‖W‖². */
export interface LayerError {
  readonly layer: string
  readonly error: number
}

/** Errors of the layers that two models have in common, in the order of the network, one by one as they are computed. */
export async function* errorsOfLayers(model: OpenedModel, reference: OpenedModel, signal?: AbortSignal): AsyncGenerator<LayerError> {
  const others = new Map(sitesOf(reference).map(site => [site.name, site] as const))
  const names = new Set(model.params.names())
  const seen = new Set<string>()
  for (const { name: layer, weight } of sitesOf(model)) {
    const other = others.get(layer)
    if (!other || !names.has(weight) || seen.has(weight)) continue
    seen.add(weight)
    signal?.throwIfAborted()
    const [now, before] = [model.params.info(weight).shape, reference.params.info(other.weight).shape]
    if (`${now}` !== `${before}`) continue // another form of the layer, such as fewer neurons
    const [was, is] = [await reference.params.read(other.weight), await model.params.read(weight)]
    yield { layer, error: await relativeError(was, is, signal ? { signal } : {}) }
  }
}
