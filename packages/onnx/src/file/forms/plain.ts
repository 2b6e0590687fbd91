import { dense, DTYPES, fromFloat32, sizeOf, toFloat32, toInt32, unpackBits, type Dense, type Parameter } from '@tersor/tensor'
import { inputsFirst, type Place, type Store, type Stored, type Target } from './stored.js'

/** The bytes of elements in an order: element i of the result is element order(i) of the source. */
const reordered = ({ dtype, bytes }: Dense, shape: readonly number[], order: (index: number) => number): Dense => {
  const width = DTYPES[dtype].bits / 8
  const result = new Uint8Array(sizeOf(shape) * width)
  for (let i = 0; i < result.length / width; i++) {
    const from = order(i)
    if (from >= 0) for (let b = 0; b < width; b++) result[i * width + b] = bytes[from * width + b]
  }
  return dense(dtype, shape, result)
}

type Plain = (parts: Readonly<Record<string, Dense>>, shape: readonly number[]) => Dense

/** Trees of plain parts that are plain themselves when they are written out: nothing is rounded. */
const PLAIN: Readonly<Record<string, Plain>> = {
  masked: ({ mask, values }, shape) => {
    const kept = unpackBits(mask.bytes, 1, sizeOf(shape))
    return reordered(values, shape, i => (kept[i] === 1 ? i : -1))
  },
  bitmask: ({ mask, values }, shape) => {
    const kept = unpackBits(mask.bytes, 1, sizeOf(shape))
    let next = 0
    return reordered(values, shape, i => (kept[i] === 1 ? next++ : -1))
  },
  permuted: ({ order, values }, shape) => {
    const places = toInt32(order)
    const from = new Int32Array(places.length)
    places.forEach((place, stored) => (from[place] = stored))
    return reordered(values, shape, i => i - (i % places.length) + from[i % places.length])
  },
}

/** A parameter of two axes as plain values, where that loses nothing. */
export const plainOf = (parameter: Parameter): Dense | undefined => {
  if (parameter.kind === 'dense') return parameter
  const plain = PLAIN[parameter.codec.name]
  const parts = Object.entries(parameter.parts).map(([name, part]) => [name, plainOf(part)] as const)
  if (!plain || parts.some(([, part]) => part === undefined || (part.dtype !== 'u1' && DTYPES[part.dtype].bits < 8))) return undefined
  return plain(Object.fromEntries(parts) as Record<string, Dense>, parameter.shape)
}

/** (out, in) → the initializer's own shape. */
const placed = (values: Dense, { shape, outAxis }: Place): Dense => {
  if (outAxis === 0) return dense(values.dtype, shape, values.bytes)
  const [columns, rows] = shape
  return reordered(values, shape, i => (i % rows) * columns + Math.floor(i / rows))
}

/** Matrices of narrower floats stay, since wider ones would hold the same in twice the bytes; vectors are not worth a node each. */
const mustConvert = ({ dtype, shape }: Dense, { convert }: Target): boolean =>
  convert !== undefined && dtype !== convert && (shape.length === 1 || DTYPES[dtype].bits >= DTYPES[convert].bits)

/** Plain values in the place of the weight; those of another float type are widened when the graph runs, or converted now. */
export const storePlain: Store<Dense> = async (values, place, target) => {
  const own = mustConvert(values, target) ? fromFloat32(toFloat32(values), target.convert!, values.shape) : values
  const name = await target.write(place.name, placed(own, place))
  const value: Stored['value'] & {} = graph => (own.dtype === target.float ? name : graph.cast(name, target.float))
  return { value, product: (graph, x) => graph.op('MatMul', [x, inputsFirst(graph, value(graph), place.outAxis)]) }
}
