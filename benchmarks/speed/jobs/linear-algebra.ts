import { createRng } from '@tersor/core'
import { cholesky, randomizedSvd, svd, symmetricEigen } from '@tersor/kernels'
import type { Run, Settings } from '../serve.js'
import { normalValues, positiveDefinite } from '../values.js'

/** `what` is "cholesky", "eigen", "svd" or "randomized-svd", of an (n, n) matrix. */
export const prepare = async ({ n, what, rank, oversampling, iterations }: Settings): Promise<Run> => {
  const size = Number(n)
  if (what === 'svd') {
    const matrix = normalValues(size * size, 1)
    return () => svd(matrix, size, size)
  }
  if (what === 'randomized-svd') {
    const matrix = normalValues(size * size, 1)
    const counts = { oversampling: Number(oversampling), iterations: Number(iterations) }
    return () => randomizedSvd(matrix, size, size, Number(rank), { rng: createRng(2), ...counts })
  }
  const tensor = positiveDefinite(size, 1)
  const matrix = Float32Array.from(await tensor.data())
  tensor.dispose()
  return what === 'cholesky' ? () => cholesky(matrix, size) : () => symmetricEigen(matrix, size)
}
