import { integer, type ExchangedGradient } from '@tersor/core'
import { sizeOf } from '@tersor/tensor'
import { defineExchange } from './define-exchange.js'
import { averagePlainly, valuesOf } from './coded-gradients.js'
import { greet, meetOnLoss } from './greeting.js'
import { approximate, dimensions, firstFactor, isFactored, type Matrix } from './thin-factors.js'

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
      init: (shape, { name }) =>
        isFactored(shape, rank) ? { error: new Float32Array(sizeOf(shape)), factor: firstFactor(shape, name, rank) } : {},
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
