import type * as tf from '@tensorflow/tfjs-core'
import { decode } from '@tersor/core'
import type { GraphValue } from '@tersor/models'
import { packInputs } from '@tersor/models/graph-batch'
import { withUsualInputs } from '@tersor/onnx/model'
import { CompressionError, type ParameterStore } from '@tersor/tensor'

/** Shows an input as "ids int64 (batch, 128)". */
const wanted = ({ name, dtype, shape }: GraphValue): string =>
  `${name} ${dtype}${shape ? ` (${shape.map(each => each ?? '?').join(', ')})` : ''}`

const refusal = (file: string, what: string, values: readonly GraphValue[]): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `${file} ${what}.`,
    `The graph takes ${values.map(wanted).join(', ')}: name tensors after them, as in "${values[0].name}", or "${values[0].name}.0", "${values[0].name}.1" … for several batches.`,
    { file },
  )

/** Which input of which batch a tensor is; undefined where it is called after none. */
const placeOf = (name: string, values: readonly GraphValue[]): { readonly input: string; readonly batch: string } | undefined => {
  const inputs = values.map(each => each.name).sort((a, b) => b.length - a.length)
  const input = inputs.find(each => name === each || name.startsWith(`${each}.`))
  return input === undefined ? undefined : { input, batch: name.slice(input.length + 1) }
}

/** Names of the tensors of a file by batch and input. */
const sorted = (names: readonly string[], values: readonly GraphValue[], file: string) => {
  const batches = new Map<string, Map<string, string>>()
  for (const name of names) {
    const place = placeOf(name, values)
    if (!place) throw refusal(file, `has a tensor "${name}", which is no input`, values)
    const batch = batches.get(place.batch) ?? new Map<string, string>()
    batches.set(place.batch, batch.set(place.input, name))
  }
  return batches
}

const readBatch = async (
  store: ParameterStore,
  values: readonly GraphValue[],
  names: ReadonlyMap<string, string>,
  file: string,
): Promise<tf.Tensor> => {
  const given: Record<string, tf.Tensor> = {}
  try {
    for (const [input, name] of names) given[input] = decode(await store.read(name))
    const missing = values.find(({ name }) => !Object.hasOwn(given, name) && !isUsual(values, given, name))
    if (missing) throw refusal(file, `has no "${missing.name}" beside "${[...names.values()][0]}"`, values)
    return await packInputs(values, given)
  } finally {
    Object.values(given).forEach(tensor => tensor.dispose())
  }
}

/** Whether an input that was left out follows from the first one. */
const isUsual = (values: readonly GraphValue[], given: Record<string, tf.Tensor>, name: string): boolean => {
  const [first] = values
  const one = values.filter(value => value === first || value.name === name)
  try {
    const { [name]: made } = withUsualInputs(one, given)
    made.dispose()
    return true
  } catch {
    return false
  }
}

/**
 * What a graph learns from or is measured on: tensors that are called after its inputs, "ids" and "mask" or "ids.0", "mask.0", "ids.1" …
 * for several batches; of a graph that takes one input, or whose others follow from it, tensors of any names, each a batch.
 * Throws BAD_DATA, which says what the graph takes and names the file. The caller disposes the tensors.
 */
export const graphBatches = async (values: readonly GraphValue[], store: ParameterStore, file: string): Promise<tf.Tensor[]> => {
  const made: tf.Tensor[] = []
  try {
    const names = store.names()
    if (names.length === 0) throw refusal(file, 'has no tensor', values)
    const isNamed = values.length > 1 && names.some(name => placeOf(name, values))
    if (isNamed) for (const batch of sorted(names, values, file).values()) made.push(await readBatch(store, values, batch, file))
    else for (const name of names) made.push(await firstInput(store, name, values, file))
    return made
  } catch (error) {
    made.forEach(tensor => tensor.dispose())
    throw error
  }
}

/** A batch of the first input alone. */
const firstInput = async (store: ParameterStore, name: string, values: readonly GraphValue[], file: string): Promise<tf.Tensor> => {
  const tensor = decode(await store.read(name))
  const given = { [values[0].name]: tensor }
  const missing = values.slice(1).find(value => !isUsual(values, given, value.name))
  if (!missing) return tensor
  tensor.dispose()
  throw refusal(file, `has no tensor called "${missing.name}"`, values)
}
