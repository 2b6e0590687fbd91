import { plain, protect, type Axes, type Axis } from '../../../couplings/axes.js'
import type { TfjsScope } from '../scope.js'
import { describedOf, keyOf, listOf, settingOf, wordOf, type Json } from './config.js'

/** A layer that is called with values. */
export interface LayerCall {
  readonly className: string
  readonly config: Json
  readonly inputs: readonly string[]
  /** The name in the manifest of one of its weights; undefined where it has none. */
  weight(name: string): string | undefined
}

/** How a layer moves labels: the axes of what it gives, or why its inputs stay whole. */
export type LayerRule = (layer: LayerCall, scope: TfjsScope) => Axes | string

export const UNKNOWN = 'its input has no known axes'

/** Rules of layers with one input whose axes are known. */
export const ofOne =
  (rule: (axes: Axes, layer: LayerCall, scope: TfjsScope) => Axes | string): LayerRule =>
  (layer, scope) => {
    const axes = layer.inputs.length === 1 ? scope.value(layer.inputs[0]) : undefined
    return axes ? rule(axes, layer, scope) : UNKNOWN
  }

/** Notes that a setting is the extent of an axis, where the config has it. */
export const tellExtents = ({ config }: Pick<LayerCall, 'config'>, scope: TfjsScope, key: string, axes: Axes): void => {
  const own = keyOf(config, key)
  if (Object.hasOwn(config, own)) scope.tell(config, own, axes)
}

/** Activations that see one number at a time, by their names in either way. */
const APART: ReadonlySet<string> = new Set([
  ...['', 'linear', 'relu', 'relu6', 'elu', 'selu', 'sigmoid', 'hardsigmoid', 'tanh', 'softplus', 'softsign', 'swish', 'mish'],
  ...['gelu', 'gelunew'],
])

/** An activation behind a layer: one that takes units together keeps them whole. */
export const activate = ({ className, config }: Pick<LayerCall, 'className' | 'config'>, axes: Axes): Axes => {
  const given = describedOf(settingOf(config, 'activation'))
  const word = given ? given.className.toLowerCase() : wordOf(config, 'activation')
  const last: Axis | undefined = axes[axes.length - 1]
  if (last && !APART.has(word)) protect(last, `the ${word} of ${className} takes them together`)
  return axes
}

/** The shape of a batch that a config names, as axes. */
export const batchShape = (config: Json): Axes | undefined => {
  const shape = settingOf(config, 'batch_input_shape') ?? settingOf(config, 'batch_shape')
  return Array.isArray(shape)
    ? listOf(shape).map(extent => plain(typeof extent === 'number' && extent >= 0 ? extent : undefined))
    : undefined
}
