import { dense, DTYPES, encoded, fromIntegers, sizeOf, toInt32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'

/** Rows (query or key outputs) as llama.cpp wants them: in each head, row i of the second half comes behind row i of the first. */
export const interleavedOrder = (rows: number, heads: number): Uint32Array => {
  const size = rows / heads
  return Uint32Array.from({ length: rows }, (_, row) => {
    const within = row % size
    return row - within + (within % 2) * (size / 2) + Math.floor(within / 2)
  })
}

/** The inverse order: halves again. */
export const halvesOrder = (rows: number, heads: number): Uint32Array => {
  const inverse = new Uint32Array(rows)
  interleavedOrder(rows, heads).forEach((from, to) => (inverse[from] = to))
  return inverse
}

const permuteDense = (tensor: Dense, order: Uint32Array): Dense => {
  const { dtype, shape } = tensor
  if (shape[0] !== order.length) return tensor // one scale for all rows
  const width = sizeOf(shape) / order.length
  if ((width * DTYPES[dtype].bits) % 8 === 0) {
    const bytes = new Uint8Array(tensor.bytes.byteLength)
    const stride = bytes.length / order.length
    order.forEach((from, to) => bytes.set(tensor.bytes.subarray(from * stride, (from + 1) * stride), to * stride))
    return dense(dtype, shape, bytes)
  }
  const codes = toInt32(tensor)
  const permuted = new Int32Array(codes.length)
  order.forEach((from, to) => permuted.set(codes.subarray(from * width, (from + 1) * width), to * width))
  return fromIntegers(permuted, dtype, shape)
}

/** Codecs whose parts all have the rows of the whole on their first axis, or one row for all. */
const ROW_WISE: readonly string[] = ['affine', 'ranged', 'powers', 'masked', 'sum']

/** A codebook's scales go by rows unless its blocks run on over the ends of rows. */
const isRowWise = ({ codec, parts }: Encoded): boolean =>
  ROW_WISE.includes(codec.name) || (codec.name === 'codebook' && parts.scale.shape.length === 2 && !parts.offset)

/** Row `to` of the result is row order[to], leaf by leaf and without loss; undefined for a tree whose parts are not by rows. */
export const permuteRows = (parameter: Parameter, order: Uint32Array): Parameter | undefined => {
  if (parameter.kind === 'dense') return permuteDense(parameter, order)
  if (!isRowWise(parameter)) return undefined
  const parts = Object.entries(parameter.parts).map(([name, part]) => [name, permuteRows(part, order)] as const)
  if (parts.some(([, part]) => part === undefined)) return undefined
  return encoded(parameter.codec, parameter.shape, Object.fromEntries(parts) as Record<string, Parameter>, parameter.attrs)
}
