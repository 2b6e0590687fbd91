import { merged, placeOf, type Axes } from '../../../couplings/axes.js'
import { broadcast, withWeight } from '../../../couplings/meet.js'
import { reshaped } from '../../../couplings/reshaped.js'
import { sideBySide } from '../../../couplings/side-by-side.js'
import { together, withBias } from '../windows.js'
import { listOf, settingOf, wordOf } from './config.js'
import { activate, ofOne, tellExtents, UNKNOWN, type LayerRule } from './rule.js'

/** x (…, in) · W (in, out). */
const dense: LayerRule = ofOne((axes, layer, scope) => {
  const kernel = layer.weight('kernel')
  if (kernel === undefined || scope.shapeOf(kernel)?.length !== 2 || axes.length < 2) return 'its weights are not in the manifest'
  scope.bind(kernel, 0, axes[axes.length - 1], 'reads')
  const made = [...axes.slice(0, -1), scope.write(kernel, 1)]
  withBias(scope, made[made.length - 1], layer.weight('bias'))
  tellExtents(layer, scope, 'units', made.slice(-1))
  return activate(layer, made)
})

/** Rows of a table by their numbers: (…) → (…, width). */
const embedding: LayerRule = ofOne((axes, layer, scope) => {
  const table = layer.weight('embeddings')
  if (table === undefined || scope.shapeOf(table)?.length !== 2) return 'its weights are not in the manifest'
  const made = [...axes, scope.write(table, 1)]
  tellExtents(layer, scope, 'output_dim', made.slice(-1))
  return made
})

const same: LayerRule = ofOne(axes => axes)

const activation: LayerRule = ofOne((axes, layer) => activate(layer, axes))

const slopes: LayerRule = ofOne((axes, layer, scope) => {
  const alpha = layer.weight('alpha')
  return alpha === undefined || !scope.shapeOf(alpha) ? 'its weights are not in the manifest' : withWeight(scope, axes, alpha, 'carries')
})

const shares: LayerRule = ofOne((axes, { className }) => {
  together(axes, [axes.length - 1], className)
  return axes
})

const layerNorm: LayerRule = ofOne((axes, { className, config }) => {
  const axis = settingOf(config, 'axis') ?? -1
  const over = (Array.isArray(axis) ? listOf(axis) : [axis]).flatMap(at => placeOf(Number(at), axes.length) ?? [])
  together(axes, over, className)
  return axes
})

/** Values of one rank, element by element. */
const meeting: LayerRule = ({ className, inputs }, scope) => {
  const all = inputs.map(scope.value)
  if (all.length === 0 || all.some(axes => !axes || axes.length !== all[0]?.length)) return UNKNOWN
  return (all as readonly Axes[]).reduce((a, b) => broadcast(a, b, className))
}

const concatenate: LayerRule = ({ className, config, inputs }, scope) => {
  const all = inputs.map(scope.value)
  if (all.length === 0 || all.some(axes => !axes || axes.length !== all[0]?.length)) return UNKNOWN
  const values = all as readonly Axes[]
  const at = placeOf(Number(settingOf(config, 'axis') ?? -1), values[0].length)
  return at === undefined ? UNKNOWN : sideBySide(values, at, className)
}

const flatten: LayerRule = ofOne((axes, { config }) =>
  wordOf(config, 'data_format') === 'channelsfirst' ? 'its channels stand before its places' : [axes[0], merged(axes.slice(1), 'Flatten')],
)

const reshape: LayerRule = ofOne((axes, layer, scope) => {
  const wanted = listOf(settingOf(layer.config, 'target_shape')).map(extent => (typeof extent === 'number' ? extent : -1))
  const made = reshaped(axes.slice(1), wanted)
  if (!made) return 'its shape leaves open what becomes of its axes'
  tellExtents(layer, scope, 'target_shape', made)
  return [axes[0], ...made]
})

const permute: LayerRule = ofOne((axes, { config }) => {
  const order = listOf(settingOf(config, 'dims')).map(Number)
  const isWhole = order.length === axes.length - 1 && new Set(order).size === order.length && order.every(axis => axis > 0 && axes[axis])
  return isWhole ? [axes[0], ...order.map(axis => axes[axis])] : UNKNOWN
})

const all = (rule: LayerRule, ...names: readonly string[]): Readonly<Record<string, LayerRule>> =>
  Object.fromEntries(names.map(name => [name, rule]))

export const VALUE_LAYERS: Readonly<Record<string, LayerRule>> = {
  ...{ Dense: dense, Embedding: embedding, Activation: activation, PReLU: slopes, Softmax: shares, LayerNormalization: layerNorm },
  ...all(same, 'ReLU', 'LeakyReLU', 'ELU', 'ThresholdedReLU', 'Dropout', 'SpatialDropout1D', 'AlphaDropout', 'GaussianDropout'),
  ...all(same, 'GaussianNoise', 'Rescaling'),
  ...all(meeting, 'Add', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Subtract'),
  ...{ Concatenate: concatenate, Flatten: flatten, Reshape: reshape, Permute: permute },
}
