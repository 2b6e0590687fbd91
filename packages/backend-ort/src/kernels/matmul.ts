import { blockedProduct, isBlockableProduct } from '../blocks.js'
import type { ProductSize } from '../blocks.js'
import type { Graph } from '../graph.js'
import { broadcastShape, sizeOf } from '../shapes.js'
import type { MatMulNote } from '../rewrites/notes.js'
import { pendingNode } from '../trace.js'
import type { Operand, Recorder, Rule, RuleTable, Shape } from '../trace-types.js'
import { activated, knowsActivation } from './activations.js'
import { areFloats } from './are-floats.js'

export interface MatMulOptions {
  readonly transposeA: boolean
  readonly transposeB: boolean
  readonly bias?: Operand | undefined
  readonly activation?: string | undefined
}

/** The forms of the operands that make one plain product where the batch allows it. */
function layout(a: Operand, b: Operand, transposeA: boolean, batch: Shape, rows: number, columns: number) {
  const flat = (operand: Operand): Operand => ({ ...operand, shape: operand.shape.slice(-2) })
  if (sizeOf(batch) === 1) return { left: flat(a), right: flat(b), shape: [rows, columns] }
  if (transposeA || sizeOf(b.shape.slice(0, -2)) !== 1 || sizeOf(a.shape.slice(0, -2)) !== sizeOf(batch))
    return { left: a, right: b, shape: [...batch, rows, columns] }
  const tall = sizeOf(batch) * rows
  return { left: { ...a, shape: [tall, a.shape.at(-1)!] }, right: flat(b), shape: [tall, columns] }
}

function plainProduct(graph: Graph, a: string, b: string, { transposeA, transposeB }: ProductSize): string {
  if (!transposeA && !transposeB) return graph.op('MatMul', [a, b])
  return graph.microsoft('FusedMatMul', [a, b], { transA: +transposeA, transB: +transposeB })
}

/** a · b over the last two axes, with broadcasting of the others. */
export function matMul(recorder: Recorder, a: Operand, b: Operand, options: MatMulOptions): Operand {
  const { transposeA, transposeB, bias, activation } = options
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const rows = a.shape.at(transposeA ? -1 : -2)!
  const columns = b.shape.at(transposeB ? -2 : -1)!
  const { left, right, shape } = layout(a, b, transposeA, batch, rows, columns)
  const inner = left.shape.at(transposeA ? -2 : -1)!
  const size: ProductSize = { rows: shape.at(-2)!, inner, columns, transposeA, transposeB }
  const blocked = shape.length === 2 && isBlockableProduct(size, recorder.block)
  const result = recorder.record({
    op: 'MatMul',
    inputs: bias === undefined ? [left, right] : [left, right, bias],
    attributes: `${+transposeA}${+transposeB}${activation ?? ''}`,
    shape,
    dtype: 'float32',
    polymorphic: !blocked,
    emit(graph, [x, y, c]) {
      const product = blocked ? blockedProduct(graph, x, y, size) : plainProduct(graph, x, y, size)
      const sum = c === undefined ? product : graph.op('Add', [product, c])
      return activated(graph, sum, activation)
    },
  })
  const probabilities = transposeA || transposeB || bias !== undefined ? null : pendingNode(left, 'Softmax')
  if (probabilities !== null) probabilities.note = { factor: right, product: result } satisfies MatMulNote
  return { ...result, shape: [...batch, rows, columns] }
}

/** Whether the inner axes meet; tfjs-cpu tells of the others. */
function fits(a: Operand, b: Operand, transposeA: boolean, transposeB: boolean): boolean {
  return a.shape.length >= 2 && b.shape.length >= 2 && a.shape.at(transposeA ? -2 : -1) === b.shape.at(transposeB ? -1 : -2)
}

const batchMatMul: Rule = (recorder, { a, b }, { transposeA, transposeB }) =>
  areFloats(a, b) && fits(a, b, transposeA, transposeB)
    ? matMul(recorder, a, b, { transposeA: !!transposeA, transposeB: !!transposeB })
    : null

const fusedMatMul: Rule = (recorder, { a, b, bias, preluActivationWeights }, { transposeA, transposeB, activation }) => {
  if (!areFloats(a, b, bias) || preluActivationWeights !== undefined || !knowsActivation(activation)) return null
  if (!fits(a, b, transposeA, transposeB) || (bias !== undefined && bias.shape.length > 1)) return null
  return matMul(recorder, a, b, { transposeA: !!transposeA, transposeB: !!transposeB, bias, activation })
}

export const matMulKernels: RuleTable = { BatchMatMul: batchMatMul, _FusedMatMul: fusedMatMul }
