import { createRng } from '@tersor/core'

/** How many of what there is are taken, and how. */
export interface PickFlags {
  readonly samples?: number
  readonly shuffle?: boolean
  readonly seed?: number
}

/** In a drawn order (Fisher and Yates). */
export const shuffled = <T>(items: readonly T[], seed = 0): T[] => {
  const rng = createRng(seed).fork('shuffle')
  const drawn = [...items]
  for (let i = drawn.length - 1; i > 0; i--) {
    const j = rng.integer(i + 1)
    ;[drawn[i], drawn[j]] = [drawn[j], drawn[i]]
  }
  return drawn
}

/** At most `most` of a list, evenly spread over it. */
export const pickSpread = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)])

/** Places 0 … count − 1 that are taken: spread evenly, or the first of a drawn order. */
export const pickedPlaces = (count: number, { samples = count, shuffle = false, seed }: PickFlags): readonly number[] => {
  const places = Array.from({ length: count }, (_, i) => i)
  return shuffle ? shuffled(places, seed).slice(0, samples) : pickSpread(places, samples)
}
