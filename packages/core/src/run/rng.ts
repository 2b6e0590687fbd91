/** Seeded and splittable: a fork depends on its label, not on how often others were asked. */
export interface Rng {
  readonly seed: number
  fork(label: string): Rng
  /** In [0, 1). */
  uniform(): number
  /** Mean 0, variance 1. */
  normal(): number
  /** In [0, below). */
  integer(below: number): number
}

/** FNV-1a over the characters, started from the seed. */
const hash = (seed: number, label: string): number => {
  let h = (seed ^ 0x811c9dc5) >>> 0
  for (let i = 0; i < label.length; i++) h = Math.imul(h ^ label.charCodeAt(i), 0x01000193) >>> 0
  // Finalizer of MurmurHash3: short labels must differ in every bit.
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** A generator from a 32-bit seed: mulberry32 for bits, Box-Muller for normals. */
export const createRng = (seed: number): Rng => {
  let state = seed >>> 0
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return Object.freeze({
    seed,
    fork: (label: string) => createRng(hash(seed, label)),
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    integer: (below: number) => Math.floor(uniform() * below),
  })
}
