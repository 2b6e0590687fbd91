import { describe, fromIntegers, toInt32, type Encoded, type Parameter } from '@tersor/tensor'
import type { AffineMatrix } from '@tersor/formats/internal/files/affine-matrix'
import { storeDequantized } from './dequantize.js'
import { storeDynamic } from './dynamic.js'
import { gridOf } from './grid.js'
import { isRefusal } from './refusal.js'
import { storeNBits } from './n-bits.js'
import { plainOf, storePlain } from './plain.js'
import type { OnnxForm, Place, Store, Stored } from './stored.js'

const GRIDS: Readonly<Record<OnnxForm, Store<AffineMatrix>>> = { MatMulNBits: storeNBits, QDQ: storeDequantized, dynamic: storeDynamic }

export const ONNX_FORMS = Object.freeze(Object.keys(GRIDS)) as readonly OnnxForm[]

/** Places of the parts of a matrix that is computed from several. */
const part = (place: Place, name: string, { shape }: Parameter): Place => ({
  name: `${place.name}_${name}`,
  shape: [shape[1], shape[0]],
  outAxis: 1,
})

/** x · (u · v)ᵀ = (x · vᵀ) · uᵀ: two thin products. */
const storeFactored: Store<Encoded> = async ({ parts }, place, target) => {
  const u = await storeMatrix(parts.u, part(place, 'u', parts.u), target)
  const v = await storeMatrix(parts.v, part(place, 'v', parts.v), target)
  if (isRefusal(u) || isRefusal(v)) return isRefusal(u) ? u : v
  return { ...needs(u, v), product: (graph, x) => u.product(graph, v.product(graph, x)) }
}

/** x · (base + update)ᵀ. */
const storeSum: Store<Encoded> = async ({ parts }, place, target) => {
  const base = await storeMatrix(parts.base, part(place, 'base', parts.base), target)
  const update = await storeMatrix(parts.update, part(place, 'update', parts.update), target)
  if (isRefusal(base) || isRefusal(update)) return isRefusal(base) ? base : update
  return { ...needs(base, update), product: (graph, x) => graph.op('Add', [base.product(graph, x), update.product(graph, x)]) }
}

/** Columns in another order: the inputs are brought into it. */
const storePermuted: Store<Encoded> = async ({ parts }, place, target) => {
  const values = await storeMatrix(parts.values, part(place, 'values', parts.values), target)
  if (isRefusal(values) || parts.order.kind !== 'dense') return values
  const order = toInt32(parts.order)
  const name = await target.write(`${place.name}_order`, fromIntegers(order, 'i64', [order.length]))
  const product: Stored['product'] = (graph, x) => values.product(graph, graph.op('Gather', [x, name], { attributes: { axis: -1 } }))
  return { ...needs(values), product }
}

const COMPUTED: Readonly<Record<string, Store<Encoded>>> = { factored: storeFactored, sum: storeSum, permuted: storePermuted }

/** What several weights take together. */
const needs = (...stored: readonly Stored[]): Pick<Stored, 'bits' | 'opset' | 'ir'> =>
  Object.fromEntries(
    (['bits', 'opset', 'ir'] as const)
      .map(field => [field, Math.max(...stored.map(each => each[field] ?? 0))] as const)
      .filter(([, most]) => most > 0),
  )

/** Stores a weight, seen as the matrix (out, in), in a form of the target; tells why it cannot where it has no place. */
export const storeMatrix: Store<Parameter> = async (parameter, place, target) => {
  const plain = plainOf(parameter)
  if (plain) return storePlain(plain, place, target)
  const tree = parameter as Encoded
  if (tree.codec.name === 'matrix') return storeMatrix(tree.parts.values, place, target)
  const grid = gridOf(tree)
  if (grid) return GRIDS[target.form](grid, place, target)
  if (Object.hasOwn(COMPUTED, tree.codec.name)) return COMPUTED[tree.codec.name](tree, place, target)
  return { reason: `is ${describe(tree)}`, step: 'Quantize it by gptq or rtn, or prune it without packing.' }
}
