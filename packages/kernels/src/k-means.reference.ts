/** Lloyd's iteration in plain loops, from given centres, until nothing moves; centres without points stay. */
export function lloyd(
  points: readonly (readonly number[])[],
  weights: readonly number[],
  start: readonly (readonly number[])[],
): number[][] {
  let centres = start.map(centre => [...centre])
  for (let round = 0; round < 1000; round++) {
    const owner = points.map(point => nearest(point, centres))
    const next = centres.map((centre, j) => {
      const own = points.flatMap((_, i) => (owner[i] === j && weights[i] > 0 ? [i] : []))
      const total = own.reduce((sum, i) => sum + weights[i], 0)
      return own.length === 0 ? centre : centre.map((_, at) => own.reduce((sum, i) => sum + weights[i] * points[i][at], 0) / total)
    })
    if (next.every((centre, j) => centre.every((value, at) => Math.abs(value - centres[j][at]) < 1e-12))) return next
    centres = next
  }
  throw new Error('Lloyd did not end.')
}

export const squared = (x: readonly number[], y: readonly number[]): number => x.reduce((sum, value, at) => sum + (value - y[at]) ** 2, 0)

export const nearest = (point: readonly number[], centres: readonly (readonly number[])[]): number => {
  const distances = centres.map(centre => squared(point, centre))
  return distances.indexOf(Math.min(...distances))
}

export const lossOf = (
  points: readonly (readonly number[])[],
  weights: readonly number[],
  centres: readonly (readonly number[])[],
): number => points.reduce((sum, point, i) => sum + weights[i] * squared(point, centres[nearest(point, centres)]), 0)
