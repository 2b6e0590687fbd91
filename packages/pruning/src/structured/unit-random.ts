import { defineUnitScore } from './unit-score.js'

/** Scores units by chance, from the seed: what any other score has to beat. Takes no options. */
export const unitRandom = defineUnitScore({
  name: 'unit-random',
  summary: 'scores units by chance, from the seed: what any other score has to beat',
  options: {},
  make: () => ({
    of: async ({ couplings, context }) =>
      couplings.map(({ name, units }) => {
        const rng = context.rng.fork(name)
        return Float64Array.from({ length: units }, () => rng.uniform())
      }),
  }),
})
