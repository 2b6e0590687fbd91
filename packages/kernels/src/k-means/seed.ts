import { squaredDistance, type Problem } from './problem.js'

/** k-means++: each centre is a point, drawn with a chance that grows with its squared distance to the centres before. */
export function seedCentres(problem: Problem, rng: { uniform(): number }): Float64Array {
  const { points, weights, count, dimension, clusters } = problem
  const centres = new Float64Array(clusters * dimension)
  const nearest = new Float64Array(count).fill(Infinity)
  let chances = weights
  for (let j = 0; j < clusters; j++) {
    const chosen = draw(chances, rng.uniform())
    for (let at = 0; at < dimension; at++) centres[j * dimension + at] = points[chosen * dimension + at]
    for (let i = 0; i < count; i++) nearest[i] = Math.min(nearest[i], squaredDistance(problem, i, centres, j))
    chances = nearest.map((square, i) => square * weights[i])
  }
  return centres
}

/** An index with a chance in proportion to its entry; the first where all are zero. */
function draw(chances: Float64Array, uniform: number): number {
  let left = uniform * chances.reduce((sum, chance) => sum + chance, 0)
  let last = 0
  for (let i = 0; i < chances.length; i++) {
    if (chances[i] === 0) continue
    last = i
    left -= chances[i]
    if (left < 0) return i
  }
  return last
}
