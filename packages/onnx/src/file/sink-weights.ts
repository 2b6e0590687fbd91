import { CompressionError, fromFloat32, toFloat32, type Dense, type Parameter, type Shape } from '@tersor/tensor'
import { isRefusal, type Refused } from './forms/refusal.js'
import { storeMatrix } from './forms/store.js'
import type { OnnxForm, Stored, Target } from './forms/stored.js'
import { inputGrids, type InputGrids } from './input-grids.js'
import type { Onnx } from './open.js'
import type { Replacement } from './replace.js'
import type { ModelProto } from './schema/onnx-ml_pb.js'
import type { Spool } from './tensor-spool.js'
import type { OnnxTensor } from './tensors.js'
import { replaceableWeights, weightUses } from './uses.js'

/** The version of ONNX's operators in a model. */
export const opsetOf = (model: ModelProto): number => Number(model.opsetImport.find(({ domain }) => domain === '')?.version ?? 0)

/** A tree as the matrix it stands for, and where that has its outputs. */
const matrixOf = (parameter: Parameter): { readonly tree: Parameter; readonly outAxis: number } =>
  parameter.kind === 'encoded' && parameter.codec.name === 'matrix'
    ? { tree: parameter.parts.values, outAxis: parameter.attrs.outAxis as number }
    : { tree: parameter, outAxis: 0 }

const formOf = ({ stored }: OnnxTensor): OnnxForm | undefined => (stored === 'float' ? undefined : stored)

const isFloat = (tensor: OnnxTensor): boolean => tensor.dtype === 'f32' || tensor.dtype === 'f16'

export interface WeightWriterOptions {
  readonly source: Onnx
  /** As the source has a weight where absent, and MatMulNBits where it has it in plain. */
  readonly form?: OnnxForm
  readonly float?: 'f16'
}

/** What became of the weights so far. */
export interface WeightWriter {
  write(name: string, parameter: Parameter): Promise<void>
  /** Names whose initializers are not the source's any more. */
  readonly replaced: ReadonlySet<string>
  /** What shapes they have now. */
  readonly shapes: ReadonlyMap<string, Shape>
  /** Those that the graph must compute or use in another way. */
  readonly replacements: ReadonlyMap<string, Replacement>
  readonly refused: readonly Refused[]
  /** Grids of inputs that came among the parameters. */
  readonly grids: InputGrids
  readonly floatOf: (name: string) => 'f32' | 'f16'
}

/** Stores parameters of a graph in the forms of ONNX; throws NOT_FOUND for a name that the graph lacks. */
export const weightWriter = ({ source, form, float }: WeightWriterOptions, spool: Spool): WeightWriter => {
  const tensors = new Map(source.tensors.map(tensor => [tensor.name, tensor]))
  const replaceable = replaceableWeights(source.graph, weightUses(source.graph, source.tensors))
  const replaced = new Set<string>()
  const shapes = new Map<string, Shape>()
  const replacements = new Map<string, Replacement>()
  const refused: Refused[] = []
  const grids = inputGrids(source)
  const floatOf = (name: string): 'f32' | 'f16' => (tensors.get(name)?.dtype === 'f16' ? 'f16' : 'f32')

  const keep = async (name: string, stored: Stored, asProduct: boolean): Promise<void> => {
    if ((stored.opset ?? 0) <= opsetOf(source.model)) return void replacements.set(name, { stored, asProduct })
    const reason = `takes operators of version ${stored.opset}, and the graph has version ${opsetOf(source.model)}`
    refused.push({ name, reason, step: 'Convert the graph to a newer version, or use another form.' })
  }
  const writeDense = async (name: string, tensor: OnnxTensor, values: Dense): Promise<void> => {
    if (values.dtype === tensor.dtype) return void (await spool.write(name, values))
    const own = await spool.write(`${name}_${values.dtype}`, values)
    await keep(name, { value: graph => graph.cast(own, tensor.dtype!), product: (_graph, x) => x }, false)
  }
  const writeTree = async (name: string, tensor: OnnxTensor, parameter: Parameter): Promise<void> => {
    const { tree, outAxis } = matrixOf(parameter)
    const isProduct = replaceable.get(name) === outAxis
    const target: Target = {
      form: isProduct ? (form ?? formOf(tensor) ?? 'MatMulNBits') : 'QDQ',
      float: floatOf(name),
      opset: opsetOf(source.model),
      ...(tensor.attributes ? { attributes: tensor.attributes } : {}),
      write: (wanted, values) => spool.write(wanted === name && values.dtype !== tensor.dtype ? `${name}_${values.dtype}` : wanted, values),
    }
    const stored = await storeMatrix(tree, { name, shape: parameter.shape, outAxis }, target)
    if (isRefusal(stored)) return void refused.push({ name, ...stored })
    if (stored.value || isProduct) return keep(name, stored, !stored.value)
    refused.push({ name, reason: 'is asked for by other nodes than products', step: 'Leave it out with only.' })
  }
  const write = async (name: string, parameter: Parameter): Promise<void> => {
    const tensor = tensors.get(name)
    if (!tensor && grids.take(name, parameter)) return
    if (!tensor)
      throw new CompressionError('NOT_FOUND', `The graph has no initializer "${name}".`, 'Write the parameters of its own store.', { name })
    replaced.add(name)
    shapes.set(name, parameter.shape)
    spool.names.delete(name)
    if (parameter.kind === 'dense') {
      const half = float === 'f16' && tensor.dtype === 'f32' && parameter.shape.length > 1
      return writeDense(name, tensor, half ? fromFloat32(toFloat32(parameter), 'f16', parameter.shape) : parameter)
    }
    return isFloat(tensor)
      ? writeTree(name, tensor, parameter)
      : void refused.push({ name, reason: `is ${tensor.dtype}`, step: 'Leave it out with only.' })
  }
  return { write, replaced, shapes, replacements, refused, grids, floatOf }
}
