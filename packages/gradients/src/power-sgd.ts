import { createRng, integer, type ExchangedGradient } from '@tersor/core'
import { addInto, subtractFrom } from '@tersor/kernels/vectors'
import { orthonormalize, thinTimesTransposed, timesThin, transposedTimesThin } from '@tersor/kernels/thin-products'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Collective } from './collective/collective.js'
import { defineExchange } from './define-exchange.js'
import { averagePlainly, isCoded, valuesOf } from './exchange-of.js'
import { greet, meetOnLoss } from './greeting.js'

interface Matrix {
  readonly gradient: ExchangedGradient
  readonly rows: number
  readonly columns: number
  readonly rank: number
}

const dimensions = ([rows, ...others]: Shape): readonly [rows: number, columns: number] => [rows, sizeOf(others)]

/** Whether two factors take less than half of the matrix. */
const isFactored = (shape: Shape, rank: number): boolean => {
  if (!isCoded(shape)) return false
  const [rows, columns] = dimensions(shape)
  return 2 * (rows + columns) * Math.min(rank, rows, columns) < rows * columns
}

/** One step of power iteration for all matrices at once: P ← mean M Q, orthonormal; Q ← mean Mᵀ P; M̂ = P Qᵀ. */
const approximate = async (peers: Collective, matrices: readonly Matrix[]): Promise<void> => {
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

/**
 * PowerSGD: of each matrix M = g + e travel two thin factors, P = mean M Q made orthonormal and Q = mean Mᵀ P, of which M̂ = P Qᵀ is applied and
 * e ← M − M̂ kept; Q is that of the step before. 4 r (rows + columns) bytes in two sums; a matrix of more dimensions is (first, others).
 * State: e (rows · columns), Q (columns, r). Throws BAD_OPTION.
 * Vogels, Karimireddy and Jaggi 2019, https://arxiv.org/abs/1905.13727
 */
export const powerSgd = defineExchange({
  name: 'power-sgd',
  summary: 'sends two thin factors of each matrix',
  paper: { title: 'PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization', authors: 'Vogels, Karimireddy and Jaggi', year: 2019, url: 'https://arxiv.org/abs/1905.13727' }, // prettier-ignore
  options: {
    rank: integer({ min: 1, default: 4, doc: 'columns of the factors' }),
    start: integer({ min: 0, default: 10, doc: 'steps at the beginning that are exchanged as they are' }),
  },
  make: (peers, { rank, start }, name) => {
    const matrixOf = (gradient: ExchangedGradient): Matrix => {
      const [rows, columns] = dimensions(gradient.shape)
      return { gradient, rows, columns, rank: Math.min(rank, rows, columns) }
    }
    const isSplit = (step: number, { shape }: ExchangedGradient): boolean => step >= start && isFactored(shape, rank)
    return {
      init: (shape, { name }) => {
        if (!isFactored(shape, rank)) return {}
        const [rows, columns] = dimensions(shape)
        const rng = createRng(0).fork(`power-sgd ${name}`) // the same on all workers
        const factor = Float32Array.from({ length: columns * Math.min(rank, rows, columns) }, () => rng.normal())
        return { error: new Float32Array(rows * columns), factor }
      },
      run: async step => {
        if (step.step === 0) await greet(peers, name, step)
        const loss = await meetOnLoss(peers, step)
        await averagePlainly(peers, valuesOf(step.gradients.filter(gradient => !isSplit(step.step, gradient))))
        const matrices = step.gradients.filter(gradient => isSplit(step.step, gradient)).map(matrixOf)
        if (matrices.length > 0) await approximate(peers, matrices)
        return { loss }
      },
    }
  },
})
