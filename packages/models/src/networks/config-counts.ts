import type { ParameterStore } from '@tersor/tensor'
import { badField } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/** So many parts may be named without looking: what is missing of them is told by name later, and naming them costs nothing. */
const FEW = 1024

/** What of a file bounds a count. */
interface Bound {
  readonly most: (params: ParameterStore) => number
  readonly because: (most: number) => string
}

/** Parts that have a tensor of their own at least. */
const TENSORS: Bound = { most: params => params.names().length, because: most => `the file has ${most} tensors` }
/** Parts that are the rows of a tensor. */
const ROWS: Bound = {
  most: params => params.names().reduce((most, name) => Math.max(most, ...params.info(name).shape), 0),
  because: most => `the longest axis in the file has ${most}`,
}

/** The fields, of any architecture, for which lists with an entry for each are made before the weights are looked at. */
const COUNTS: Readonly<Record<string, Bound>> = {
  num_hidden_layers: TENSORS,
  n_layer: TENSORS,
  num_experts: TENSORS,
  num_local_experts: TENSORS,
  num_labels: ROWS,
}

/** Throws BAD_FILE for a count of parts that the file cannot hold. */
export const checkCount = (field: string, count: unknown, params: ParameterStore, bound: Bound = TENSORS): void => {
  if (typeof count !== 'number' || count <= FEW) return // what is no number at all is told where the field is read
  const most = bound.most(params)
  if (count > most) throw badField(field, count, `at most ${Math.max(FEW, most)}, since ${bound.because(most)}`)
}

/**
 * Holds the counts of a config (layers, experts, classes) against what its file has, before anything is made for each:
 * a config of some bytes must not take gigabytes. Throws BAD_FILE.
 */
export const checkCounts = (raw: RawConfig, params: ParameterStore): void => {
  for (const [field, bound] of Object.entries(COUNTS)) checkCount(field, raw[field], params, bound)
}
