import { bytesOf, dense, sizeOf, type Dense, type DType, type Shape } from '@tersor/tensor'
import { badFile } from '@tersor/formats/internal/files/bad-file'
import { dtypeOf } from './data-types.js'
import type { OnnxForm } from './forms/stored.js'
import type { Range, Skeleton } from './scan.js'
import { TensorProto_DataLocation, type TensorProto } from './schema/onnx-ml_pb.js'

/** An initializer: what it is, and where its bytes are. */
export interface OnnxTensor {
  readonly name: string
  readonly shape: Shape
  /** Absent for truth values, texts and other types that are no parameters. */
  readonly dtype?: DType
  readonly proto: TensorProto
  /** In the file of the model, or in the one that `file` names; absent where the message holds them. */
  readonly range?: Range & { readonly file?: string }
  /** How the file holds a weight whose initializer this only stands for: in which form, or as floats of another type. */
  readonly stored?: OnnxForm | 'float'
  /** Attributes that its node had there besides those that say how it is stored. */
  readonly attributes?: Readonly<Record<string, number>>
}

const MAX_RANK = 32

const shapeOf = ({ name, dims }: TensorProto): Shape => {
  const shape = dims.map(Number)
  const size = sizeOf(shape)
  if (shape.length > MAX_RANK || shape.some(extent => extent < 0) || !Number.isSafeInteger(size * 8))
    throw badFile(`Initializer "${name}" has the shape [${dims.slice(0, MAX_RANK).join(', ')}].`, undefined, { name })
  return shape
}

/** External data may lie beside the model only: a file must not read others of its reader's machine. */
const isBeside = (location: string): boolean =>
  location !== '' && !/^([/\\]|[a-z]:)/i.test(location) && !location.split(/[/\\]/).includes('..') && !location.includes('\0')

const externalRange = ({ name, externalData }: TensorProto, needed: number): Range & { readonly file: string } => {
  const entries = Object.fromEntries(externalData.map(({ key, value }) => [key, value]))
  const { location = '', offset = '0', length = String(needed) } = entries
  if (!isBeside(location)) {
    const remedy = 'Data must lie in the folder of the model or below it: do not use this file.'
    throw badFile(`Initializer "${name}" keeps its data at ${JSON.stringify(location)}.`, remedy, { name, location })
  }
  const range = { file: location, offset: Number(offset), length: Number(length) }
  if (Number.isSafeInteger(range.offset) && range.offset >= 0 && range.length === needed) return range
  throw badFile(`Initializer "${name}" takes ${needed} bytes, and its data lies at ${offset} with ${length}.`, undefined, { name })
}

const rangeOf = (proto: TensorProto, cut: Range | undefined, needed: number) => {
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) return externalRange(proto, needed)
  if (!cut || cut.length === needed) return cut
  throw badFile(`Initializer "${proto.name}" takes ${needed} bytes, got ${cut.length}.`, undefined, { name: proto.name })
}

/** A tensor of a model, of whose data a part of the file was cut; throws BAD_FILE where it cannot be what it claims. */
export const tensorOf = (proto: TensorProto, cut?: Range): OnnxTensor => {
  const dtype = dtypeOf(proto.dataType)
  if (!dtype) return { name: proto.name, shape: [], proto, ...(cut ? { range: cut } : {}) }
  const shape = shapeOf(proto)
  const range = rangeOf(proto, cut, bytesOf(dtype, shape))
  const tensor = { name: proto.name, shape, dtype, proto, ...(range ? { range } : {}) }
  if (!range) inlineBytes(tensor)
  return tensor
}

/** The initializers of a model; throws BAD_FILE where one cannot be what it claims. */
export const tensorsOf = ({ model, cut }: Skeleton): readonly OnnxTensor[] =>
  (model.graph?.initializer ?? []).map((proto, index) => tensorOf(proto, cut.get(index)))

const little = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** Numbers in the typed fields, by the dtypes that stand there. */
const typedBytes = ({ floatData, int32Data, int64Data, doubleData, uint64Data }: TensorProto, dtype: DType): Uint8Array => {
  if (dtype === 'f32') return little(Float32Array.from(floatData))
  if (dtype === 'f64') return little(Float64Array.from(doubleData))
  if (dtype === 'i64') return little(BigInt64Array.from(int64Data))
  if (dtype === 'u64') return little(BigUint64Array.from(uint64Data))
  if (dtype === 'u32') return little(Uint32Array.from(uint64Data, Number))
  if (dtype === 'i32') return little(Int32Array.from(int32Data))
  const wide = dtype === 'f16' || dtype === 'bf16' || dtype === 'i16' || dtype === 'u16'
  return little(wide ? Uint16Array.from(int32Data) : Uint8Array.from(int32Data)) // packed pairs of i4 too
}

/** The data that the message holds; throws BAD_FILE where it is not as long as the shape says. */
export const inlineBytes = ({ name, dtype, shape, proto }: OnnxTensor): Uint8Array => {
  const bytes = proto.rawData.length > 0 ? proto.rawData : typedBytes(proto, dtype!)
  const needed = bytesOf(dtype!, shape)
  if (bytes.length === needed) return bytes
  throw badFile(`Initializer "${name}" takes ${needed} bytes, got ${bytes.length}.`, undefined, { name })
}

/** A tensor of the graph as a parameter. */
export const parameterOf = ({ dtype, shape }: OnnxTensor, bytes: Uint8Array): Dense => dense(dtype!, shape, bytes)
