import { createRng, type ExchangedGradient } from '@tersor/core'
import { addInto, subtractFrom } from '@tersor/kernels/vectors'
import { orthonormalize, thinTimesTransposed, timesThin, transposedTimesThin } from '@tersor/kernels/thin-products'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import { averagePlainly, isCoded } from './coded-gradients.js'

/** A gradient that is sent as two factors of so many columns. */
export interface Matrix {
  readonly gradient: ExchangedGradient
  readonly rows: number
  readonly columns: number
  readonly rank: number
}

/** A tensor as a matrix: (first, others). */
export const dimensions = ([rows, ...others]: Shape): readonly [rows: number, columns: number] => [rows, sizeOf(others)]

/** Whether two factors take less than half of the matrix. */
export const isFactored = (shape: Shape, rank: number): boolean => {
  if (!isCoded(shape)) return false
  const [rows, columns] = dimensions(shape)
  return 2 * (rows + columns) * Math.min(rank, rows, columns) < rows * columns
}

/** One step of power iteration for all matrices at once: P ← mean M Q, orthonormal; Q ← mean Mᵀ P; M̂ = P Qᵀ. */
export const approximate = async (peers: Collective, matrices: readonly Matrix[]): Promise<void> => {
  matrices.forEach(({ gradient: { values, state } }) => addInto(values, state.error))
  const left = matrices.map(({ gradient: { values, state }, rows, columns, rank }) => timesThin(values, state.factor, rows, columns, rank))
  await averagePlainly(peers, left)
  matrices.forEach(({ rows, rank }, i) => orthonormalize(left[i], rows, rank))
  const right = matrices.map(({ gradient: { values }, rows, columns, rank }, i) =>
    transposedTimesThin(values, left[i], rows, columns, rank),
  )
  await averagePlainly(peers, right)
  matrices.forEach(({ gradient: { values, state }, rank }, i) => {
    state.error.set(values)
    state.factor.set(right[i])
    thinTimesTransposed(left[i], right[i], rank, values)
    subtractFrom(state.error, values)
  })
}

/** Q to begin with, the same on all workers, with room for so many columns. */
export const firstFactor = (shape: Shape, name: string, room: number): Float32Array => {
  const [rows, columns] = dimensions(shape)
  const rng = createRng(0).fork(`power-sgd ${name}`)
  return Float32Array.from({ length: columns * Math.min(room, rows, columns) }, () => rng.normal())
}
