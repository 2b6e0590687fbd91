import { numberOf, numbersOf, textOf } from '../../file/attributes.js'
import type { NodeProto } from '../../file/schema/onnx-ml_pb.js'
import { plain, plainAxes, protect, widened, type Axes, type Axis } from '@tersor/models/internal/imported/couplings/axes'
import type { Rule, Scope } from '../scope.js'

/** One axis of an image behind a window that walks over it; unknown where the padding depends on the image. */
const walked = (node: NodeProto, axis: Axis, i: number, axes: number, kernel: number): Axis => {
  protect(axis, `${node.opType} walks over them`)
  const auto = textOf(node, 'auto_pad')
  const [strides, dilations, pads] = [numbersOf(node, 'strides'), numbersOf(node, 'dilations'), numbersOf(node, 'pads')]
  if (axis.extent === undefined || (auto !== '' && auto !== 'NOTSET' && auto !== 'VALID')) return plain()
  const padding = auto === 'VALID' ? 0 : (pads?.[i] ?? 0) + (pads?.[i + axes] ?? 0)
  const round = numberOf(node, 'ceil_mode', 0) === 1 ? Math.ceil : Math.floor
  const extent = round((axis.extent + padding - (dilations?.[i] ?? 1) * (kernel - 1) - 1) / (strides?.[i] ?? 1)) + 1
  return plain(numberOf(node, 'ceil_mode', 0) === 1 && padding > 0 ? undefined : extent)
}

const walkedAxes = (node: NodeProto, axes: Axes, kernel: readonly number[]): Axes =>
  axes.slice(2).map((axis, i) => walked(node, axis, i, axes.length - 2, kernel[i]))

const bindBias = (scope: Scope, bias: string | undefined, to: Axis, role: 'writes' | 'carries'): void => {
  if (bias) scope.bind(bias, 0, to, role)
}

/** W (out, in / groups, …kernel). With a kernel or several for each channel the outputs are the channels; other groups stay whole. */
export const convolution: Rule = (node, scope) => {
  const [x, weight, bias] = node.input
  const shape = scope.shapeOf(weight)
  if (!shape || shape.length < 3) return 'its filters are computed'
  const image = scope.value(x) ?? plainAxes(shape.length)
  if (image.length !== shape.length) return 'its input has other axes than its filters'
  const groups = numberOf(node, 'group', 1)
  const [batch, channels] = image
  const places = walkedAxes(node, image, shape.slice(2))
  if (groups === 1) {
    scope.bind(weight, 1, channels, 'reads')
    const made = scope.write(weight, 0)
    bindBias(scope, bias, made, 'writes')
    return [[batch, made, ...places]]
  }
  if (shape[1] !== 1 || shape[0] % groups !== 0 || channels.extent !== groups) {
    protect(channels, `Conv has ${groups} groups`)
    return [[batch, plain(shape[0]), ...places]]
  }
  const made = widened(channels, shape[0] / groups)
  scope.bind(weight, 0, made, 'carries')
  bindBias(scope, bias, made, 'carries')
  return [[batch, made, ...places]]
}

/** W (in, out / groups, …kernel). */
export const transposedConvolution: Rule = (node, scope) => {
  const [x, weight, bias] = node.input
  const shape = scope.shapeOf(weight)
  if (!shape || shape.length < 3) return 'its filters are computed'
  const image = scope.value(x) ?? plainAxes(shape.length)
  if (image.length !== shape.length || numberOf(node, 'group', 1) !== 1) return 'it has groups, or other axes than its filters'
  image.slice(2).forEach(axis => protect(axis, 'ConvTranspose walks over them'))
  scope.bind(weight, 0, image[1], 'reads')
  const made = scope.write(weight, 1)
  bindBias(scope, bias, made, 'writes')
  return [[image[0], made, ...plainAxes(shape.length - 2)]]
}

/** The channels stay what they are; places of largest values count through all channels. */
export const pooling: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const kernel = numbersOf(node, 'kernel_shape')
  if (!axes || axes.length < 3 || kernel?.length !== axes.length - 2) return 'its input has no known axes'
  if (node.output[1]) return 'it tells places of all channels together'
  return [[axes[0], axes[1], ...walkedAxes(node, axes, kernel)]]
}

export const globalPooling: Rule = ({ input: [x], opType }, scope) => {
  const axes = scope.value(x)
  if (!axes || axes.length < 3) return 'its input has no known axes'
  axes.slice(2).forEach(axis => protect(axis, `${opType} walks over them`))
  return [[axes[0], axes[1], ...axes.slice(2).map(() => plain(1))]]
}

/** Zeros or other numbers around axes: units stay whole where some stand beside them. */
export const pad: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const pads = numbersOf(node, 'pads') ?? scope.numbers(node.input[1])
  if (!axes || pads?.length !== 2 * axes.length || node.input[3]) return 'what it adds shows when the graph runs'
  return [
    axes.map((axis, i) => {
      const added = pads[i] + pads[i + axes.length]
      if (pads[i] === 0 && pads[i + axes.length] === 0) return axis
      protect(axis, 'Pad adds others beside them')
      return plain(axis.extent === undefined ? undefined : axis.extent + added)
    }),
  ]
}

/** Images of another size; factors are inputs, an attribute in version 9. */
export const resize: Rule = (node, scope) => {
  const axes = scope.value(node.input[0])
  const factors = scope.numbers(node.input[node.opType === 'Upsample' || scope.opset < 11 ? 1 : 2])
  if (!axes || factors?.length !== axes.length || numbersOf(node, 'axes')) return 'its sizes show when the graph runs'
  if (textOf(node, 'coordinate_transformation_mode') === 'tf_crop_and_resize') return 'it cuts parts of its axes'
  return [
    axes.map((axis, i) => {
      if (factors[i] === 1) return axis
      protect(axis, `${node.opType} makes others of them`)
      return plain()
    }),
  ]
}
