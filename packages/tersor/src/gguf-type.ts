import { CompressionError } from '@tersor/tensor'
import { didYouMean, sameName } from './nearest.js'

/**
 * What `--type` means: a mixture of llama.cpp as it is written there, else a type in any case (`Q4_K` is `q4_k`), else a mixture in any case.
 * Throws BAD_OPTION for what is none.
 */
export const ggufType = async (given: string): Promise<string> => {
  const { MATRIX_TYPES, MIXTURES } = await import('@tersor/formats/gguf')
  const mixtures = Object.keys(MIXTURES)
  if (mixtures.includes(given)) return given
  const found = sameName(given, MATRIX_TYPES) ?? sameName(given, mixtures)
  if (found !== undefined) return found
  const remedy = `${didYouMean(given, [...mixtures, ...MATRIX_TYPES])}Types are ${MATRIX_TYPES.join(', ')}; mixtures are ${mixtures.join(', ')}.`
  throw new CompressionError('BAD_OPTION', `There is no type "${given}".`, remedy, { type: given })
}
