/** float32 → the shortest decimal that gives it back: 1e-5, not 0.000009999999747378752. */
export const shortest = (value: number): number => {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}
