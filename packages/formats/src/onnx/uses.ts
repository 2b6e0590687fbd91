import type { GraphProto, NodeProto } from './schema/onnx-ml_pb.js'
import type { OnnxTensor } from './tensors.js'

/** A node that multiplies by a constant weight. */
export interface WeightUse {
  readonly node: NodeProto
  readonly weight: OnnxTensor
  readonly kind: 'linear' | 'conv2d'
  /** Where the outputs stand in the weight: 1 in (in, out). */
  readonly outAxis: number
  /** The value that it multiplies. */
  readonly input: string
  /** Of a convolution: how it walks its input (batch, channels, height, width). */
  readonly geometry?: Geometry
}

export interface Geometry {
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  /** Top, bottom, left, right. */
  readonly padding: readonly [number, number, number, number]
}

const attributeOf = ({ attribute }: NodeProto, name: string) => attribute.find(each => each.name === name)
const numberOf = (node: NodeProto, name: string, otherwise: number): number => {
  const found = attributeOf(node, name)
  return found ? Number(found.i) : otherwise
}
const numbersOf = (node: NodeProto, name: string): readonly number[] | undefined => attributeOf(node, name)?.ints.map(Number)

/** Zeros around the input; undefined where they depend on its size. */
const paddingOf = (node: NodeProto, [height, width]: readonly number[], strides: readonly number[]): Geometry['padding'] | undefined => {
  const auto = new TextDecoder().decode(attributeOf(node, 'auto_pad')?.s ?? new Uint8Array(0))
  if (auto === '' || auto === 'NOTSET') {
    const [top = 0, left = 0, bottom = 0, right = 0] = numbersOf(node, 'pads') ?? []
    return [top, bottom, left, right]
  }
  if (auto === 'VALID') return [0, 0, 0, 0]
  if (strides.some(stride => stride !== 1)) return undefined
  const before = auto === 'SAME_LOWER' ? Math.ceil : Math.floor
  const [top, left] = [before((height - 1) / 2), before((width - 1) / 2)]
  return [top, height - 1 - top, left, width - 1 - left]
}

type Describe = (node: NodeProto, weight: OnnxTensor) => Pick<WeightUse, 'kind' | 'outAxis' | 'geometry'> | undefined

const convolution: Describe = (node, { shape }) => {
  const isPlain = numberOf(node, 'group', 1) === 1 && (numbersOf(node, 'dilations') ?? []).every(each => each === 1)
  if (shape.length !== 4 || !isPlain) return undefined
  const kernel: Geometry['kernel'] = [shape[2], shape[3]]
  const [down = 1, across = 1] = numbersOf(node, 'strides') ?? []
  const padding = paddingOf(node, kernel, [down, across])
  return padding && { kind: 'conv2d', outAxis: 0, geometry: { kernel, strides: [down, across], padding } }
}

/** Operators whose second input is a weight that methods can compress. */
const USES: Readonly<Record<string, Describe>> = {
  MatMul: (_node, { shape }) => (shape.length === 2 ? { kind: 'linear', outAxis: 1 } : undefined),
  Gemm: (node, { shape }) =>
    shape.length === 2 && numberOf(node, 'transA', 0) === 0
      ? { kind: 'linear', outAxis: numberOf(node, 'transB', 0) === 1 ? 0 : 1 }
      : undefined,
  Conv: convolution,
}

const FLOATS: readonly (string | undefined)[] = ['f32', 'f16']

/** The nodes of a graph that multiply by an initializer, in order. */
export const weightUses = ({ node }: GraphProto, tensors: readonly OnnxTensor[]): readonly WeightUse[] => {
  const byName = new Map(tensors.map(tensor => [tensor.name, tensor]))
  return node.flatMap(each => {
    const weight = byName.get(each.input[1])
    if (!weight || !FLOATS.includes(weight.dtype) || each.domain !== '' || !Object.hasOwn(USES, each.opType)) return []
    const described = USES[each.opType](each, weight)
    return described && !weight.shape.includes(0) ? [{ node: each, weight, input: each.input[0], ...described }] : []
  })
}

/** What the site of a use is called: its node, or what that makes where it has no name. */
export const siteName = ({ node }: Pick<WeightUse, 'node'>): string => node.name || node.output[0]

/** Whether a node is its product alone, which another way to multiply can take the place of; a sum with a bias may follow. */
export const isProduct = ({ opType, attribute }: NodeProto): boolean =>
  opType === 'MatMul' || (opType === 'Gemm' && attribute.every(({ name, f }) => !['alpha', 'beta'].includes(name) || f === 1))
