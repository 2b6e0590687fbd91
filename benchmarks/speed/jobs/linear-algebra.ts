import { cholesky, svd, symmetricEigen } from '@tersor/kernels'
import type { Run, Settings } from '../serve.js'
import { normalValues, positiveDefinite } from '../values.js'

/** `what` is "cholesky", "eigen" or "svd", of an (n, n) matrix. */
export const prepare = async ({ n, what }: Settings): Promise<Run> => {
  const size = Number(n)
  if (what === 'svd') {
    const matrix = normalValues(size * size, 1)
    return () => svd(matrix, size, size)
  }
  const tensor = positiveDefinite(size, 1)
  const matrix = Float32Array.from(await tensor.data())
  tensor.dispose()
  return what === 'cholesky' ? () => cholesky(matrix, size) : () => symmetricEigen(matrix, size)
}
