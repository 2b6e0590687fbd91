import { plain, protect, type Axes } from '../../../couplings/axes.js'
import { convolve, convolveBack, convolveEach, padAxes, pool, reduced, withBias, type Walk } from '../windows.js'
import type { TfjsScope } from '../scope.js'
import { isRecord, listOf, placesOf, settingOf, wordOf, type Json } from './config.js'
import { activate, ofOne, tellExtents, type LayerCall, type LayerRule } from './rule.js'

const CHANNELS_FIRST = 'its channels stand before its places'
const NO_WEIGHT = 'its weights are not in the manifest'

const isFirst = (config: Json): boolean => wordOf(config, 'data_format') === 'channelsfirst'

/** How the window of a layer walks; one that sees only what was before gives as many places as there are. */
const walkOf = (config: Json, places: number, strides = placesOf(config, 'strides', places)): Walk => ({
  strides,
  dilations: placesOf(config, 'dilation_rate', places),
  around: ['same', 'causal'].includes(wordOf(config, 'padding')) ? 'same' : 'valid',
})

/** What comes behind the products of a layer: its bias, the number of its filters, its activation. */
const filtered = (made: Axes | string, layer: LayerCall, scope: TfjsScope): Axes | string => {
  if (typeof made === 'string') return made
  withBias(scope, made[made.length - 1], layer.weight('bias'))
  tellExtents(layer, scope, 'filters', made.slice(-1))
  return activate(layer, made)
}

const convolution: LayerRule = ofOne((axes, layer, scope) => {
  const kernel = layer.weight('kernel')
  if (kernel === undefined) return NO_WEIGHT
  if (isFirst(layer.config) || placesOf(layer.config, 'groups', 1)[0] !== 1) return `${CHANNELS_FIRST}, or it has groups`
  return filtered(convolve(scope, axes, kernel, walkOf(layer.config, axes.length - 2), layer.className), layer, scope)
})

const transposedConvolution: LayerRule = ofOne((axes, layer, scope) => {
  const kernel = layer.weight('kernel')
  if (kernel === undefined) return NO_WEIGHT
  if (isFirst(layer.config)) return CHANNELS_FIRST
  return filtered(convolveBack(scope, axes, kernel, layer.className), layer, scope)
})

const depthwise: LayerRule = ofOne((axes, layer, scope) => {
  const kernel = layer.weight('depthwise_kernel')
  if (kernel === undefined) return NO_WEIGHT
  if (isFirst(layer.config)) return CHANNELS_FIRST
  const made = convolveEach(scope, axes, kernel, walkOf(layer.config, axes.length - 2), layer.className)
  if (typeof made === 'string') return made
  withBias(scope, made[made.length - 1], layer.weight('bias'), 'carries')
  return activate(layer, made)
})

const STILL: Walk = { strides: [], dilations: [], around: 'valid' }

const separable: LayerRule = ofOne((axes, layer, scope) => {
  const [deep, point] = [layer.weight('depthwise_kernel'), layer.weight('pointwise_kernel')]
  if (deep === undefined || point === undefined) return NO_WEIGHT
  if (isFirst(layer.config)) return CHANNELS_FIRST
  const each = convolveEach(scope, axes, deep, walkOf(layer.config, axes.length - 2), layer.className)
  const made = typeof each === 'string' ? each : convolve(scope, each, point, STILL, layer.className)
  return filtered(made, layer, scope)
})

const pooling: LayerRule = ofOne((axes, { className, config }) => {
  if (isFirst(config)) return CHANNELS_FIRST
  const places = axes.length - 2
  const size = placesOf(config, 'pool_size', places, 2)
  const isWhole = settingOf(config, 'strides') === undefined || settingOf(config, 'strides') === null
  return pool(axes, size, { ...walkOf(config, places, isWhole ? size : undefined), dilations: [] }, className)
})

const globalPooling: LayerRule = ofOne((axes, { className, config }) => {
  if (isFirst(config)) return CHANNELS_FIRST
  const places = axes.slice(1, -1).map((_, i) => i + 1)
  return reduced(axes, places, settingOf(config, 'keepdims') === true, className)
})

/** A number, one for rows and columns, or two for each. */
const aroundOf = (value: unknown): readonly (readonly [number, number])[] => {
  const sides = Array.isArray(value) ? listOf(value) : [value, value]
  return sides.map(side => {
    const [before, after = before] = (Array.isArray(side) ? listOf(side) : [side]).map(Number)
    return [before, after] as const
  })
}

const zeroPadding: LayerRule = ofOne((axes, { className, config }) => {
  if (isFirst(config) || axes.length !== 4) return CHANNELS_FIRST
  return padAxes(axes, [[0, 0], ...aroundOf(settingOf(config, 'padding') ?? 1), [0, 0]], className)
})

/** Images with other places, which show when the network runs. */
const otherPlaces: LayerRule = ofOne((axes, { className, config }) => {
  if (isFirst(config) || axes.length !== 4) return CHANNELS_FIRST
  const places = axes.slice(1, 3).map(axis => {
    protect(axis, `${className} makes others of them`)
    return plain()
  })
  return [axes[0], ...places, axes[3]]
})

const upSampling: LayerRule = ofOne((axes, { className, config }) => {
  if (isFirst(config) || axes.length !== 4) return CHANNELS_FIRST
  const size = placesOf(config, 'size', 2, 2)
  const places = axes.slice(1, 3).map((axis, i) => {
    protect(axis, `${className} makes others of them`)
    return plain(axis.extent === undefined ? undefined : axis.extent * size[i])
  })
  return [axes[0], ...places, axes[3]]
})

/** One number of each weight for each channel, which stands last. */
const batchNorm: LayerRule = ofOne((axes: Axes, layer, scope) => {
  const axis = settingOf(layer.config, 'axis') ?? -1
  const [at] = (Array.isArray(axis) ? listOf(axis) : [isRecord(axis) ? axis.value : axis]).map(Number)
  if (at !== -1 && at !== axes.length - 1) return CHANNELS_FIRST
  for (const name of ['gamma', 'beta', 'moving_mean', 'moving_variance']) {
    const weight = layer.weight(name)
    if (weight !== undefined) scope.bind(weight, 0, axes[axes.length - 1], 'carries')
  }
  return axes
})

export const IMAGE_LAYERS: Readonly<Record<string, LayerRule>> = {
  ...{ Conv1D: convolution, Conv2D: convolution, Conv3D: convolution, Conv2DTranspose: transposedConvolution },
  ...{ DepthwiseConv2D: depthwise, SeparableConv2D: separable, BatchNormalization: batchNorm },
  ...{ AveragePooling1D: pooling, AveragePooling2D: pooling, MaxPooling1D: pooling, MaxPooling2D: pooling },
  ...{ GlobalAveragePooling1D: globalPooling, GlobalAveragePooling2D: globalPooling },
  ...{ GlobalMaxPooling1D: globalPooling, GlobalMaxPooling2D: globalPooling },
  ...{ ZeroPadding2D: zeroPadding, UpSampling2D: upSampling, Cropping2D: otherPlaces },
}
