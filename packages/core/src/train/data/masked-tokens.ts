import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../../run/rng.js'

export interface MaskedTokensOptions {
  /** The part of all tokens that is to be told; 0.15 where absent. */
  readonly rate?: number
  /** The id that stands for a hidden token. */
  readonly mask: number
  /** How many ids there are: one in ten of the chosen becomes any of them. */
  readonly vocabulary: number
  /** Ids that are never chosen, such as those that begin and end a text. */
  readonly special?: readonly number[]
}

export interface MaskedTokens {
  readonly input: Int32Array
  /** The token to tell where one was chosen, −1 elsewhere: `crossEntropy` leaves these out. */
  readonly target: Int32Array
}

/**
 * Chooses tokens to be told: of the chosen, eight in ten are hidden, one is another token and one stays.
 * Throws BAD_OPTION.
 * Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3.1
 */
export const maskedTokens = ({ rate = 0.15, mask, vocabulary, special = [] }: MaskedTokensOptions) => {
  if (!(rate > 0 && rate <= 1))
    throw new CompressionError('BAD_OPTION', `maskedTokens got rate = ${rate}.`, 'Pass a number above 0 and up to 1, such as 0.15.')
  for (const [option, id] of Object.entries({ mask, 'vocabulary - 1': vocabulary - 1 }))
    if (!(Number.isInteger(id) && id >= 0 && id < vocabulary))
      throw new CompressionError('BAD_OPTION', `maskedTokens got ${option} = ${id} of ${vocabulary} tokens.`, 'Pass ids of the vocabulary.')
  const kept = new Set(special)
  return (ids: Int32Array, rng: Rng): MaskedTokens => {
    const target = ids.map(id => (!kept.has(id) && rng.uniform() < rate ? id : -1))
    const hidden = (id: number): number => {
      const what = rng.uniform()
      if (what < 0.8) return mask
      return what < 0.9 ? rng.integer(vocabulary) : id
    }
    return { input: ids.map((id, i) => (target[i] < 0 ? id : hidden(id))), target }
  }
}
