import { packBits, unpackBits } from './bits.js'
import { bytesOf, DTYPES, sizeOf, type DType, type Shape } from './dtype.js'
import { CompressionError } from './errors.js'
import { placeOf } from './finite.js'
import { encodeAllBf16, encodeF8e4m3, encodeF8e5m2, encodeF16, FLOAT_TABLES } from './float.js'

/** Typed bytes: immutable, on the host, never a tfjs tensor. */
export interface Dense {
  readonly kind: 'dense'
  readonly dtype: DType
  readonly shape: Shape
  readonly bytes: Uint8Array
}

/** Wraps bytes, which must be exactly as long as dtype and shape say; throws SHAPE otherwise. */
export const dense = (dtype: DType, shape: Shape, bytes: Uint8Array): Dense => {
  const expected = bytesOf(dtype, shape)
  if (bytes.byteLength !== expected) {
    throw new CompressionError(
      'SHAPE',
      `${dtype} [${shape.join(', ')}] takes ${expected} bytes, got ${bytes.byteLength}.`,
      'Pass the bytes of the whole tensor and nothing else.',
      { dtype, shape, expected, got: bytes.byteLength },
    )
  }
  return Object.freeze({ kind: 'dense', dtype, shape: Object.freeze([...shape]), bytes })
}

type View =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
interface ViewType {
  new (buffer: ArrayBufferLike, offset: number, length: number): View
  readonly BYTES_PER_ELEMENT: number
}

/** A typed view of bytes; copies them where their offset is not aligned. */
const viewOf = (bytes: Uint8Array, type: ViewType): View => {
  const aligned = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice()
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / type.BYTES_PER_ELEMENT)
}

const VIEWS: Partial<Record<DType, ViewType>> = {
  f64: Float64Array as ViewType,
  f32: Float32Array as ViewType,
  i64: BigInt64Array as ViewType,
  u64: BigUint64Array as ViewType,
  i32: Int32Array as ViewType,
  u32: Uint32Array as ViewType,
  i16: Int16Array as ViewType,
  u16: Uint16Array as ViewType,
  f16: Uint16Array as ViewType,
  bf16: Uint16Array as ViewType,
  i8: Int8Array as ViewType,
  u8: Uint8Array as ViewType,
  f8e4m3: Uint8Array as ViewType,
  f8e5m2: Uint8Array as ViewType,
}

const FLOAT_ENCODERS: Partial<Record<DType, (value: number) => number>> = {
  f16: encodeF16,
  f8e4m3: encodeF8e4m3,
  f8e5m2: encodeF8e5m2,
}

const SIGN_OF_I4 = 8

/** The elements as stored: codes of small floats stay codes, sub-byte integers are unpacked, i4 is signed. */
const elementsOf = (tensor: Dense): ArrayLike<number> | ArrayLike<bigint> => {
  const view = VIEWS[tensor.dtype]
  if (view) return viewOf(tensor.bytes, view)
  const codes = unpackBits(tensor.bytes, DTYPES[tensor.dtype].bits, sizeOf(tensor.shape))
  return tensor.dtype === 'i4' ? signedOf(codes) : codes
}

const signedOf = (codes: Uint8Array): Int8Array => {
  const values = new Int8Array(codes.buffer)
  for (let i = 0; i < codes.length; i++) values[i] = (codes[i] ^ SIGN_OF_I4) - SIGN_OF_I4
  return values
}

const isBig = (elements: ArrayLike<number> | ArrayLike<bigint>): elements is BigInt64Array | BigUint64Array =>
  elements instanceof BigInt64Array || elements instanceof BigUint64Array

const bf16ToFloat32 = (codes: Uint16Array): Float32Array => {
  const bits = new Uint32Array(codes.length)
  for (let i = 0; i < codes.length; i++) bits[i] = codes[i] << 16
  return new Float32Array(bits.buffer)
}

/** The codes of a tensor of bf16, which are its own bytes where their place allows. */
export const bf16CodesOf = ({ bytes }: Dense): Uint16Array => viewOf(bytes, Uint16Array as ViewType) as Uint16Array

/** The values of a tensor of f32, which are its own bytes where their place allows. */
export const float32Of = ({ bytes }: Dense): Float32Array => viewOf(bytes, Float32Array as ViewType) as Float32Array

/** The values as float32, in a fresh array that the caller owns; throws DTYPE for those that are only copied. */
export const toFloat32 = (tensor: Dense): Float32Array => {
  if (DTYPES[tensor.dtype].kind === 'opaque') throw dtypeError(tensor.dtype, 'a dtype that is computed with')
  const elements = elementsOf(tensor)
  if (tensor.dtype === 'f32') return (elements as Float32Array).slice()
  if (tensor.dtype === 'bf16') return bf16ToFloat32(elements as Uint16Array)
  const values = new Float32Array(elements.length)
  const table: Float32Array | undefined = FLOAT_TABLES[tensor.dtype as keyof typeof FLOAT_TABLES]
  if (table) lookUp(table, elements as Uint8Array | Uint16Array, values)
  else if (isBig(elements)) for (let i = 0; i < values.length; i++) values[i] = Number(elements[i])
  else values.set(elements as ArrayLike<number>)
  return values
}

const lookUp = (table: Float32Array, codes: Uint8Array | Uint16Array, values: Float32Array): void => {
  for (let i = 0; i < values.length; i++) values[i] = table[codes[i]]
}

const isInteger = (dtype: DType): boolean => DTYPES[dtype].kind === 'signed' || DTYPES[dtype].kind === 'unsigned'

/** The values of an integer tensor as int32; throws DTYPE for floats. */
export const toInt32 = (tensor: Dense): Int32Array => {
  if (!isInteger(tensor.dtype)) throw dtypeError(tensor.dtype, 'an integer dtype')
  const elements = elementsOf(tensor)
  return isBig(elements) ? Int32Array.from<bigint>(elements, Number) : new Int32Array(elements as Int32Array)
}

/** Unsigned codes of 1 to 8 bits, one in a byte; those of 8 bits are the tensor's own. */
export const codesOf = ({ dtype, shape, bytes }: Dense): Uint8Array =>
  DTYPES[dtype].bits === 8 ? bytes : unpackBits(bytes, DTYPES[dtype].bits, sizeOf(shape))

const dtypeError = (got: DType, expected: string): CompressionError =>
  new CompressionError('DTYPE', `Expected ${expected}, got ${got}.`, 'Convert the tensor first, or choose another dtype.', { got })

const asBytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

const checkLength = (length: number, shape: Shape): void => {
  if (length !== sizeOf(shape)) {
    throw new CompressionError(
      'SHAPE',
      `[${shape.join(', ')}] holds ${sizeOf(shape)} values, got ${length}.`,
      'Pass as many values as the shape says.',
      { shape, got: length },
    )
  }
}

const overflow = (value: number, at: number, dtype: DType, shape: Shape): CompressionError =>
  new CompressionError(
    'NOT_FINITE',
    `${value} at [${placeOf(at, shape).join(', ')}] is beyond the numbers of ${dtype}.`,
    'Choose a dtype with a wider range, such as bf16 or f32.',
    { value, place: placeOf(at, shape), dtype },
  )

const MAGNITUDE: Readonly<Record<string, number>> = { f16: 0x7fff, bf16: 0x7fff, f8e4m3: 0x7f, f8e5m2: 0x7f }
/** The first code, without its sign, that stands for no number. */
const FIRST_NOT_FINITE: Readonly<Record<string, number>> = { f16: 0x7c00, bf16: 0x7f80, f8e4m3: 0x7f, f8e5m2: 0x7c }

/**
 * Stores values in a float dtype, rounded to nearest even; NaN and infinities stay what they are where the dtype has them.
 * Throws DTYPE for integers, SHAPE for a wrong count and NOT_FINITE for a number beyond the range of the dtype.
 */
export const fromFloat32 = (values: ArrayLike<number>, dtype: DType, shape: Shape): Dense => {
  checkLength(values.length, shape)
  if (dtype === 'f32' || dtype === 'f64')
    return dense(dtype, shape, asBytes(dtype === 'f32' ? new Float32Array(values) : new Float64Array(values)))
  if (dtype === 'bf16') {
    const codes = encodeAllBf16(values instanceof Float32Array ? values : new Float32Array(values))
    for (let i = 0; i < codes.length; i++)
      if ((codes[i] & 0x7fff) >= 0x7f80 && Number.isFinite(values[i])) throw overflow(values[i], i, dtype, shape)
    return dense(dtype, shape, asBytes(codes))
  }
  const encode = FLOAT_ENCODERS[dtype]
  if (!encode) throw dtypeError(dtype, 'a float dtype')
  const codes = DTYPES[dtype].bits === 16 ? new Uint16Array(values.length) : new Uint8Array(values.length)
  const [magnitude, first] = [MAGNITUDE[dtype], FIRST_NOT_FINITE[dtype]]
  for (let i = 0; i < codes.length; i++) {
    codes[i] = encode(values[i])
    if ((codes[i] & magnitude) >= first && Number.isFinite(values[i])) throw overflow(values[i], i, dtype, shape)
  }
  return dense(dtype, shape, asBytes(codes))
}

/** Stores integers, wrapped to the width of the dtype; throws DTYPE for floats and SHAPE for a wrong count. */
export const fromIntegers = (values: ArrayLike<number>, dtype: DType, shape: Shape): Dense => {
  checkLength(values.length, shape)
  const { bits } = DTYPES[dtype]
  if (!isInteger(dtype)) throw dtypeError(dtype, 'an integer dtype')
  if (bits < 8) return dense(dtype, shape, packBits(values instanceof Uint8Array ? values : new Uint8Array(values), bits))
  if (bits === 64) return dense(dtype, shape, asBytes(BigInt64Array.from(values as ArrayLike<never>, (value: number) => BigInt(value))))
  const type = { i32: Int32Array, u32: Uint32Array, i16: Int16Array, u16: Uint16Array, i8: Int8Array, u8: Uint8Array, bool: Uint8Array }[
    dtype as 'i32'
  ]
  return dense(dtype, shape, asBytes(new type(values)))
}
