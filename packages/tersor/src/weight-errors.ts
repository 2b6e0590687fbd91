import type { Provenance } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { errorsOfLayers, type LayerError } from './layer-errors.js'
import { listMethods } from './methods.js'

export type { LayerError as WeightError } from './layer-errors.js'

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
export const weightErrors = async (model: OpenedModel, reference: OpenedModel, signal?: AbortSignal): Promise<readonly LayerError[]> => {
  const own = (model.provenance ?? []).slice(reference.provenance?.length ?? 0)
  if (own.some(movesWeights)) return []
  const errors: LayerError[] = []
  for await (const each of errorsOfLayers(model, reference, signal)) errors.push(each)
  return errors
}
