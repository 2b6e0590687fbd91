import { createRng, type Rng } from '../../run/rng.js'
import { checkPositive } from '../check-positive.js'

/**
 * The same batch for so many steps in a row, such as for a step at each of several widths. Its random numbers hang on the seed and not on the
 * run, since a run that goes on in between must see it again. Throws BAD_OPTION.
 */
export const held = <B>(data: (step: number, rng: Rng) => B, times: number, seed = 0): ((step: number) => B) => {
  checkPositive('held', 'times', times)
  return step => {
    const at = Math.floor(step / times)
    return data(at, createRng(seed).fork(`batch ${at}`))
  }
}
