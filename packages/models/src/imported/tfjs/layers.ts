import * as tf from '@tensorflow/tfjs-core'
import type * as LayersModule from '@tensorflow/tfjs-layers'
import type { Env } from '@tersor/core'
import type { TfjsModel } from '@tersor/formats/tfjs'
import { sizeOf } from '@tersor/tensor'
import { badFile } from './errors.js'
import type { GraphValue } from '../graph-model.js'
import type { TfjsRunner } from './graph.js'
import { checkNodes } from './nodes.js'
import { madeLayers } from './made-layers.js'
import { flattened, sitedInputs, sitesOfLayer, type Layer, type Variable } from './layer-sites.js'
import type { TfjsSite } from './site.js'
import { beginWithZeros } from './zeros.js'

type Layers = typeof LayersModule

/** The weight of the manifest that a variable is loaded from: of its name, or of one with a level more, as tfjs looks it up. */
const namesOf = (variables: readonly Variable[], { manifest }: TfjsModel): ReadonlyMap<Variable, string> => {
  const byName = new Map(variables.map(variable => [variable.originalName, variable]))
  const names = new Map<Variable, string>()
  for (const name of manifest.weights.keys()) {
    const parts = name.split('/')
    const variable = byName.get(name) ?? byName.get([...parts.slice(0, -2), parts[parts.length - 1]].join('/'))
    if (variable) names.set(variable, name)
  }
  for (const variable of variables) {
    const name = names.get(variable)
    const shape = name === undefined ? undefined : manifest.weights.get(name)!.shape
    if (shape?.join() !== variable.shape.join())
      throw badFile(
        name === undefined
          ? `The manifest has no weight "${variable.originalName}".`
          : `The weight "${name}" is [${shape!.join(', ')}], but its layer has [${variable.shape.join(', ')}].`,
      )
  }
  return names
}

const valueOf = ({ name, shape, dtype }: { name: string; shape: readonly (number | null)[]; dtype: string }): GraphValue => ({
  name,
  dtype,
  shape: [...shape],
})

/** Runs layers that were made, on weights that are lent to them. */
const runLayers = (loaded: LayersModule.LayersModel, model: TfjsModel): TfjsRunner => {
  const layers = [...new Set(flattened(loaded.layers as readonly Layer[]))]
  const variables = [...new Set(layers.flatMap(layer => layer.weights))]
  const names = namesOf(variables, model)
  const sites: TfjsSite[] = []
  let active: Env | undefined
  const own = variables.map(variable => {
    const read = variable.read.bind(variable)
    variable.read = () => (active ? active.weights(names.get(variable)!) : read())
    return read()
  })
  for (const layer of layers) {
    const found = sitesOfLayer(layer, names)
    if (found.length === 0) continue
    sites.push(...found)
    const call = layer.call.bind(layer)
    layer.call = (inputs, options) => {
      if (!active) return call(inputs, options)
      const seen = sitedInputs(found, [inputs].flat(), active)
      return call(Array.isArray(inputs) ? seen : seen[0], options)
    }
  }
  tf.dispose(own) // weights are lent: none of these is ever read
  const inputs = loaded.inputs.map(valueOf)
  const outputs = loaded.outputs.map(({ shape, dtype }, index) => valueOf({ name: loaded.outputNames[index], shape, dtype }))
  return {
    ...{ sites, inputs, outputs },
    parameters: variables.map(variable => names.get(variable)!),
    buffers: layers.flatMap(layer => layer.nonTrainableWeights).map(variable => names.get(variable)!),
    run: (given, env) => {
      active = env
      try {
        const results = [
          loaded.apply(
            inputs.map(({ name }) => given[name]),
            { training: false },
          ) as tf.Tensor | tf.Tensor[],
        ].flat()
        return Object.fromEntries(outputs.map(({ name }, index) => [name, results[index]]))
      } finally {
        active = undefined
      }
    },
    dispose: () => {},
  }
}

const zerosOf = ({ manifest, description }: TfjsModel) => {
  const numbers = [...manifest.weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  return beginWithZeros(description.modelTopology as object, numbers)
}

/** Runs a model of layers by tfjs-layers, on weights that are lent to it. */
export const tfjsLayers = async (model: TfjsModel, { loadLayersModel }: Layers): Promise<TfjsRunner> => {
  checkNodes(model.description.modelTopology)
  const zeros = zerosOf(model)
  try {
    return runLayers(await loadLayersModel({ load: async () => ({ modelTopology: zeros.topology }) }), model)
  } finally {
    zeros.dispose() // what it was made with: weights are lent
  }
}

/** The same of a topology that was made from one that was opened: tfjs-layers is loaded by then. */
export const remadeLayers = (model: TfjsModel): TfjsRunner => {
  const zeros = zerosOf(model)
  try {
    return runLayers(madeLayers(zeros.topology), model)
  } finally {
    zeros.dispose()
  }
}
