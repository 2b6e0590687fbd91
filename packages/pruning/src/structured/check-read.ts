import type { Coupling, Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { readingsAt, readingsOf } from './input-norms.js'

/** Throws UNSUPPORTED for units that no layer reads, such as experts. */
export const checkRead = ({ stages }: Model, couplings: readonly Coupling[]): void => {
  const readings = readingsOf(couplings)
  const unread = couplings.find((_, i) => !stages.some(({ sites }) => sites.some(site => readingsAt(readings, site).some(({ coupling }) => coupling === i)))) // prettier-ignore
  if (!unread) return
  throw new CompressionError('UNSUPPORTED', `No layer reads "${unread.name}", so its inputs tell nothing.`, 'Score such units by unit-norm or unit-taylor.', { coupling: unread.name }) // prettier-ignore
}
