import { create, toBinary } from '@bufbuild/protobuf'
import type { DType } from '@tersor/tensor'
import { MICROSOFT, type GraphBuilder } from './build.js'
import { typeOf } from './data-types.js'
import {
  GraphProtoSchema,
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
  type ModelProto,
  type TensorProto,
  type ValueInfoProto,
} from './schema/onnx-ml_pb.js'

/** The versions that DequantizeLinear with blocks and 4 bits came with. */
const IR_VERSION = 10n
export const OPSET = 21

/** An input or output; extents are numbers, or names where the caller chooses them. */
export interface ValueInfo {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
}

const dimension = (extent: number | string) =>
  create(TensorShapeProto_DimensionSchema, {
    value: typeof extent === 'number' ? { case: 'dimValue', value: BigInt(extent) } : { case: 'dimParam', value: extent },
  })

/** How a model declares an input or output. */
export const valueInfo = ({ name, dtype, shape }: ValueInfo): ValueInfoProto => {
  const tensor = create(TypeProto_TensorSchema, {
    elemType: typeOf(dtype)!,
    shape: create(TensorShapeProtoSchema, { dim: shape.map(dimension) }),
  })
  return create(ValueInfoProtoSchema, { name, type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }) })
}

/** What a model declares of a tensor; undefined for sequences and maps. */
export const tensorTypeOf = ({ type }: ValueInfoProto) => (type?.value.case === 'tensorType' ? type.value.value : undefined)

export interface ModelParts {
  readonly name: string
  readonly graph: GraphBuilder
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** Besides the constants of the builder. */
  readonly initializers?: readonly TensorProto[]
  readonly metadata?: Readonly<Record<string, string>>
}

/** A model of ONNX's operators of version 21 and ONNX Runtime's own. */
export const modelOf = ({ name, graph, inputs, outputs, initializers = [], metadata = {} }: ModelParts): ModelProto =>
  create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'tersor',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(OPSET) }),
      create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n }),
    ],
    metadataProps: Object.entries(metadata).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
    graph: create(GraphProtoSchema, {
      name,
      node: [...graph.nodes],
      initializer: [...graph.constants, ...initializers],
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
    }),
  })

/** A small model as the bytes of a file. */
export const encodeModel = (model: ModelProto): Uint8Array => toBinary(ModelProtoSchema, model)
