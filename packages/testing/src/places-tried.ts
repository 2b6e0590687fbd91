/** Which of so many places a suite tries, counted from 1: all where TERSOR_SLOW is 1, and otherwise some, from the first to the last. */
export const placesTried = (count: number, some = 6): readonly number[] => {
  const tried = process.env.TERSOR_SLOW === '1' ? count : Math.min(count, some)
  return Array.from({ length: tried }, (_, i) => (tried === 1 ? 1 : 1 + Math.round((i * (count - 1)) / (tried - 1))))
}

/** Every so many of a table's cases, and all of them where TERSOR_SLOW is 1. */
export const casesTried = <T>(cases: readonly T[], every: number): readonly T[] =>
  process.env.TERSOR_SLOW === '1' ? cases : cases.filter((_, i) => i % every === 0)
