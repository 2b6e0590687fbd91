import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { convolutionTfjsSite, linearTfjsSite, tfjsSiteInput, type TfjsSite } from './site.js'

/** The part of a variable and of a layer that is used; much of it is not in the types. */
export interface Variable {
  readonly originalName: string
  readonly shape: readonly number[]
  read(): tf.Tensor
}
export interface Layer {
  readonly name: string
  readonly weights: readonly Variable[]
  /** Running means and the like, and all weights of a layer that was frozen. */
  readonly nonTrainableWeights: readonly Variable[]
  readonly layers?: readonly Layer[]
  /** The layer in a wrapper, one for each direction, and what a recurrent layer repeats. */
  readonly layer?: Layer
  readonly forwardLayer?: Layer
  readonly backwardLayer?: Layer
  readonly cell?: Layer
  readonly cells?: readonly Layer[]
  readonly kernel?: Variable
  readonly depthwiseKernel?: Variable
  readonly pointwiseKernel?: Variable
  readonly recurrentKernel?: Variable
  readonly embeddings?: Variable
  readonly bias?: Variable
  readonly strides?: number | readonly number[]
  readonly padding?: string
  readonly dataFormat?: string
  readonly dilationRate?: number | readonly number[]
  getClassName(): string
  call(inputs: tf.Tensor | tf.Tensor[], options: object): tf.Tensor | tf.Tensor[]
}

/** All layers with weights of their own: those of models inside models, in wrappers and in recurrent layers too. */
export const flattened = (layers: readonly Layer[]): readonly Layer[] =>
  layers.flatMap(layer => {
    const { layers: inner = [], layer: wrapped, forwardLayer, backwardLayer, cell, cells = [] } = layer
    const parts = [
      ...inner,
      ...cells,
      ...[forwardLayer, backwardLayer, forwardLayer ? undefined : (cell ?? wrapped)].filter(part => part !== undefined),
    ]
    return parts.length > 0 ? flattened(parts) : [layer]
  })

const pairOf = (value: number | readonly number[] | undefined): [number, number] =>
  typeof value === 'number' ? [value, value] : [value?.[0] ?? 1, value?.[1] ?? value?.[0] ?? 1]

/** A site of a layer, and which of what the layer is called with comes to it; -1 where what it multiplies is made inside of the layer. */
export interface LayerSite extends TfjsSite {
  readonly input: number
}

type Names = ReadonlyMap<Variable, string>

const INSIDE = -1

/** The name of a layer's weight in the file, and what else describes it. */
const described = (layer: Layer, variable: Variable | undefined, names: Names) => {
  const weight = variable && names.get(variable)
  const bias = layer.bias ? names.get(layer.bias) : undefined
  return weight === undefined ? undefined : { weight, bias, shape: variable!.shape }
}

const isPlain = ({ dilationRate, dataFormat }: Layer): boolean =>
  pairOf(dilationRate).every(rate => rate === 1) && dataFormat !== 'channelsFirst'

const geometryOf = (layer: Layer) => ({
  strides: pairOf(layer.strides),
  padding: layer.padding === 'same' ? ('same' as const) : ('valid' as const),
})

/** A site whose inputs nobody sees: methods round it by its weights alone. */
const unseen = (
  name: string,
  { weight, shape }: { readonly weight: string; readonly shape: readonly number[] },
  outAxis: number,
): LayerSite => {
  const inAxis = shape.length - 1 === outAxis ? outAxis - 1 : outAxis + 1
  return { site: Object.freeze<Site>({ name, weight, kind: 'linear', outAxis, inAxis }), padding: 'valid', input: INSIDE }
}

const convolutionOf = (layer: Layer, names: Names): readonly LayerSite[] => {
  const depthwise = layer.getClassName() === 'DepthwiseConv2D'
  const kernel = described(layer, depthwise ? layer.depthwiseKernel : layer.kernel, names)
  if (!kernel) return []
  if (!isPlain(layer)) return depthwise ? [] : [unseen(layer.name, kernel, kernel.shape.length - 1)]
  if (depthwise && kernel.shape[3] !== 1) return []
  return [{ ...convolutionTfjsSite(layer.name, kernel, { ...geometryOf(layer), depthwise }), input: 0 }]
}

/** A kernel (length, in, out), seen as one of images of one row. */
const alongOne = (layer: Layer, names: Names): readonly LayerSite[] => {
  const kernel = described(layer, layer.kernel, names)
  if (!kernel || kernel.shape.length !== 3) return []
  if (!isPlain(layer) || layer.padding === 'causal') return [unseen(layer.name, kernel, 2)]
  const { strides, padding } = geometryOf(layer)
  const how = { strides: [1, strides[0]] as const, padding, depthwise: false }
  const { site, ...rest } = convolutionTfjsSite(layer.name, { ...kernel, shape: [1, ...kernel.shape] }, how)
  // Its columns are those of a kernel with channels behind: the order (length, in) of the weight itself.
  return [{ ...rest, site: Object.freeze({ ...site, outAxis: 2, inAxis: 1 }), input: 0 }]
}

const separable = (layer: Layer, names: Names): readonly LayerSite[] => {
  const [deep, point] = [layer.depthwiseKernel, layer.pointwiseKernel].map(variable => described(layer, variable, names))
  const how = { ...geometryOf(layer), depthwise: true }
  const hasRows = deep && deep.shape[3] === 1 && isPlain(layer)
  return [
    ...(hasRows ? [{ ...convolutionTfjsSite(`${layer.name}/depthwise`, { ...deep, bias: undefined }, how), input: 0 }] : []),
    ...(point ? [unseen(`${layer.name}/pointwise`, point, 3)] : []),
  ]
}

/** What a recurrent cell multiplies: its input and the state it had before. */
const recurrent = (layer: Layer, names: Names): readonly LayerSite[] => {
  const [kernel, state] = [layer.kernel, layer.recurrentKernel].map(variable => described(layer, variable, names))
  // GRU multiplies its state twice, the second time behind a gate.
  const input = layer.getClassName() === 'GRUCell' ? INSIDE : 1
  return [
    ...(kernel ? [{ ...linearTfjsSite(`${layer.name}/kernel`, { ...kernel, bias: undefined }), input: 0 }] : []),
    ...(state ? [{ ...linearTfjsSite(`${layer.name}/recurrent`, { ...state, bias: undefined }), input }] : []),
  ]
}

/** How layers of a class multiply their weights; others multiply none, or are not known to. */
const SITES: Readonly<Record<string, (layer: Layer, names: Names) => readonly LayerSite[]>> = {
  Dense: (layer, names) => {
    const kernel = described(layer, layer.kernel, names)
    return kernel ? [{ ...linearTfjsSite(layer.name, kernel), input: 0 }] : []
  },
  Conv1D: alongOne,
  Conv2D: convolutionOf,
  DepthwiseConv2D: convolutionOf,
  SeparableConv2D: separable,
  Conv2DTranspose: (layer, names) => {
    const kernel = described(layer, layer.kernel, names)
    return kernel ? [unseen(layer.name, kernel, 2)] : [] // (height, width, out, in)
  },
  SimpleRNNCell: recurrent,
  GRUCell: recurrent,
  LSTMCell: recurrent,
  Embedding: (layer, names) => {
    const table = described(layer, layer.embeddings, names)
    if (!table) return []
    const { site } = linearTfjsSite(layer.name, { ...table, bias: undefined }, true)
    return [{ site: Object.freeze({ ...site, kind: 'embedding' }), padding: 'valid', input: INSIDE }]
  },
}

/** The sites of a layer. */
export const sitesOfLayer = (layer: Layer, names: Names): readonly LayerSite[] => {
  const kind = layer.getClassName()
  return Object.hasOwn(SITES, kind) ? SITES[kind](layer, names) : []
}

/** What a layer is called with, each input of a site shown and rounded as the site has it. */
export const sitedInputs = (sites: readonly LayerSite[], inputs: readonly tf.Tensor[], env: Env): tf.Tensor[] =>
  inputs.map((input, index) => {
    const site = sites.find(each => each.input === index)
    if (!site) return input
    const isFlat = site.site.convolution !== undefined && input.rank === 3
    const x = isFlat ? tf.expandDims(input, 1) : input
    const seen = tfjsSiteInput(site, x, env)
    return isFlat ? tf.squeeze(seen, [1]) : seen
  })
