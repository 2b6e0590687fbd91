import { clone, create, toBinary } from '@bufbuild/protobuf'
import { graphBuilder } from './build.js'
import { valueInfo, type ValueInfo } from './model.js'
import type { Onnx } from './open.js'
import { replaceNodes, type Round } from './replace.js'
import {
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type TensorProto,
} from './schema/onnx-ml_pb.js'
import type { OnnxTensor } from './tensors.js'

/** An initializer with its data in the message. */
const whole = async ({ bytes }: Onnx, tensor: OnnxTensor): Promise<TensorProto> => {
  if (!tensor.range) return tensor.proto
  const proto = clone(TensorProtoSchema, tensor.proto)
  proto.dataLocation = TensorProto_DataLocation.DEFAULT
  proto.externalData = []
  proto.rawData = (await bytes(tensor)) as Uint8Array<ArrayBuffer>
  return proto
}

/** An input of a site that is rounded while the graph runs, on a grid that is fed: scale and zero, f32 (1). */
export interface RoundedInput {
  readonly site: string
  readonly weight: string
  readonly bits: number
  readonly scale: string
  readonly zero: string
}

export interface Runnable {
  readonly bytes: Uint8Array
  /** What stands for the input of a site once it is rounded. */
  readonly roundedNames: ReadonlyMap<string, string>
}

/** scale · (clamp(round(x / scale) + zero, 0, 2^bits − 1) − zero), ties to even. */
const roundFed =
  ({ bits, scale, zero }: RoundedInput, float: 'f32' | 'f16'): Round =>
  (graph, x) => {
    const wide = float === 'f16' ? graph.cast(x, 'f32') : x
    const codes = graph.op('Add', [graph.op('Round', [graph.op('Div', [wide, scale])]), zero])
    const within = graph.op('Min', [graph.op('Max', [codes, graph.constant('f32', [], [0])]), graph.constant('f32', [], [2 ** bits - 1])])
    const rounded = graph.op('Mul', [graph.op('Sub', [within, zero]), scale])
    return float === 'f16' ? graph.cast(rounded, 'f16') : rounded
  }

const PREFIX = 'tersor_rounded_'

/** Initializers that a runtime is not fed, with their data, by name. */
export const heldTensors = async (onnx: Onnx, fed: ReadonlySet<string>): Promise<ReadonlyMap<string, TensorProto>> =>
  new Map(
    await Promise.all(
      onnx.tensors.filter(({ name }) => !fed.has(name)).map(async tensor => [tensor.name, await whole(onnx, tensor)] as const),
    ),
  )

/**
 * The graph for a runtime, whose `fed` initializers become inputs: gives it as bytes in which the values of `taps` are outputs, and the
 * inputs of some sites are rounded. Data of the other initializers is in `held`, or in their messages.
 */
export const runnableModel = (onnx: Onnx, fed: ReadonlySet<string>, held: ReadonlyMap<string, TensorProto>) => {
  const constants = new Set(onnx.tensors.map(({ name }) => name))
  const given = onnx.tensors.filter(({ name }) => fed.has(name)).map(({ name, dtype, shape }) => ({ name, dtype: dtype!, shape }))
  const kept = onnx.tensors.filter(({ name }) => !fed.has(name)).map(({ name, proto }) => held.get(name) ?? proto)
  const halves = new Set(onnx.tensors.filter(({ dtype }) => dtype === 'f16').map(({ name }) => name))
  return (taps: readonly string[], rounded: readonly RoundedInput[] = []): Runnable => {
    const model = clone(ModelProtoSchema, onnx.model)
    const graph = model.graph!
    const builder = graphBuilder(PREFIX)
    const roundedNames = new Map<string, string>()
    const rounds = rounded.map(each => {
      const round = roundFed(each, halves.has(each.weight) ? 'f16' : 'f32')
      const named: Round = (nodes, x) => {
        const name = round(nodes, x)
        roundedNames.set(each.site, name)
        return name
      }
      return [each.site, named] as const
    })
    graph.node = replaceNodes(graph, onnx.tensors, builder, { rounded: new Map(rounds) })
    const lines: ValueInfo[] = rounded.flatMap(({ scale, zero }) => [scale, zero]).map(name => ({ name, dtype: 'f32', shape: [1] }))
    graph.initializer = [...kept, ...builder.constants]
    graph.input = [...graph.input.filter(({ name }) => !constants.has(name)), ...[...given, ...lines].map(valueInfo)]
    const known = new Set([...graph.output, ...graph.input].map(({ name }) => name))
    const shown = new Set([...taps, ...roundedNames.values()].filter(name => !known.has(name)))
    graph.output = [...graph.output, ...[...shown].map(name => create(ValueInfoProtoSchema, { name }))]
    return { bytes: toBinary(ModelProtoSchema, model), roundedNames }
  }
}
