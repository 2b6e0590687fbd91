import type * as tf from '@tensorflow/tfjs-core'
import type * as LayersModule from '@tensorflow/tfjs-layers'
import type { Env } from '@tersor/core'
import type { TfjsModel } from '@tersor/formats/tfjs'
import { sizeOf } from '@tersor/tensor'
import { badFile } from './tfjs-errors.js'
import type { GraphValue } from './graph-model.js'
import type { TfjsRunner } from './tfjs-graph.js'
import { checkNodes } from './tfjs-nodes.js'
import { convolutionTfjsSite, linearTfjsSite, tfjsSiteInput, type TfjsSite } from './tfjs-site.js'
import { beginWithZeros } from './tfjs-zeros.js'

type Layers = typeof LayersModule

/** The part of a variable and of a layer that is used; much of it is not in the types. */
interface Variable {
  readonly originalName: string
  readonly shape: readonly number[]
  readonly val: tf.Variable
  read(): tf.Tensor
}
interface Layer {
  readonly name: string
  readonly weights: readonly Variable[]
  readonly layers?: readonly Layer[]
  readonly kernel?: Variable
  readonly depthwiseKernel?: Variable
  readonly bias?: Variable
  readonly strides?: number | readonly number[]
  readonly padding?: string
  readonly dataFormat?: string
  readonly dilationRate?: number | readonly number[]
  getClassName(): string
  call(inputs: tf.Tensor | tf.Tensor[], options: object): tf.Tensor | tf.Tensor[]
}

const pairOf = (value: number | readonly number[] | undefined): [number, number] =>
  typeof value === 'number' ? [value, value] : [value?.[0] ?? 1, value?.[1] ?? value?.[0] ?? 1]

/** All layers, those of models inside models too. */
const flatten = (layers: readonly Layer[]): readonly Layer[] => layers.flatMap(layer => (layer.layers ? flatten(layer.layers) : [layer]))

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

/** A layer as a site; undefined for layers that multiply no weight, or in a way that has no rows. */
const siteOf = (layer: Layer, names: ReadonlyMap<Variable, string>): TfjsSite | undefined => {
  const kind = layer.getClassName()
  const kernel = kind === 'DepthwiseConv2D' ? layer.depthwiseKernel : layer.kernel
  const weight = kernel && names.get(kernel)
  if (!kernel || weight === undefined) return undefined
  const described = { weight, bias: layer.bias ? names.get(layer.bias) : undefined, shape: kernel.shape }
  if (kind === 'Dense') return linearTfjsSite(layer.name, described)
  const depthwise = kind === 'DepthwiseConv2D'
  const isPlain = pairOf(layer.dilationRate).every(rate => rate === 1) && layer.dataFormat !== 'channelsFirst'
  if ((kind !== 'Conv2D' && !depthwise) || !isPlain || (depthwise && kernel.shape[3] !== 1)) return undefined
  const padding = layer.padding === 'same' ? 'same' : 'valid'
  return convolutionTfjsSite(layer.name, described, { strides: pairOf(layer.strides), padding, depthwise })
}

const valueOf = ({ name, shape, dtype }: { name: string; shape: readonly (number | null)[]; dtype: string }): GraphValue => ({
  name,
  dtype,
  shape: [...shape],
})

/** Runs a model of layers by tfjs-layers, on weights that are lent to it. */
export const tfjsLayers = async (model: TfjsModel, { loadLayersModel }: Layers): Promise<TfjsRunner> => {
  const numbers = [...model.manifest.weights.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  checkNodes(model.description.modelTopology)
  const zeros = beginWithZeros(model.description.modelTopology as object, numbers)
  try {
    const loaded = await loadLayersModel({ load: async () => ({ modelTopology: zeros.topology }) })
    const layers = flatten(loaded.layers as unknown as readonly Layer[])
    const variables = [...new Set(layers.flatMap(layer => layer.weights))]
    const names = namesOf(variables, model)
    const sites: TfjsSite[] = []
    let active: Env | undefined
    for (const variable of variables) {
      variable.read = () => (active ? active.weights(names.get(variable)!) : variable.val)
    }
    for (const layer of layers) {
      const site = siteOf(layer, names)
      if (!site) continue
      sites.push(site)
      const call = layer.call.bind(layer)
      layer.call = (inputs, options) => call(active ? tfjsSiteInput(site, [inputs].flat()[0], active) : inputs, options)
    }
    const inputs = loaded.inputs.map(valueOf)
    const outputs = loaded.outputs.map(({ shape, dtype }, index) => valueOf({ name: loaded.outputNames[index], shape, dtype }))
    return {
      ...{ sites, inputs, outputs },
      parameters: variables.map(variable => names.get(variable)!),
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
  } finally {
    zeros.dispose() // what it was made with: weights are lent
  }
}
