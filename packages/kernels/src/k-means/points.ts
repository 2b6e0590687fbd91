import { squaredDistance, type KMeans, type Problem } from './problem.js'

/** Lloyd's iteration in any number of dimensions. */
export function clusterPoints(problem: Problem, centres: Float64Array, iterations: number): KMeans {
  const assignment = new Int32Array(problem.count).fill(-1)
  const squares = new Float64Array(problem.count)
  for (let round = 0; round < iterations && assign(problem, centres, assignment, squares); round++)
    moveToMeans(problem, centres, assignment, squares)
  assign(problem, centres, assignment, squares)
  const loss = squares.reduce((sum, square, i) => sum + square * problem.weights[i], 0)
  return { centres: Float32Array.from(centres), assignment, loss }
}

/** Sends each point to its nearest centre, the first among equals; tells whether one moved. */
function assign(problem: Problem, centres: Float64Array, assignment: Int32Array, squares: Float64Array): boolean {
  let moved = false
  for (let i = 0; i < problem.count; i++) {
    let [best, least] = [0, Infinity]
    for (let j = 0; j < problem.clusters; j++) {
      const square = squaredDistance(problem, i, centres, j)
      if (square < least) [best, least] = [j, square]
    }
    moved ||= assignment[i] !== best
    assignment[i] = best
    squares[i] = least
  }
  return moved
}

function moveToMeans(problem: Problem, centres: Float64Array, assignment: Int32Array, squares: Float64Array): void {
  const { points, weights, count, dimension, clusters } = problem
  const sums = new Float64Array(clusters * dimension)
  const totals = new Float64Array(clusters)
  for (let i = 0; i < count; i++) {
    const j = assignment[i]
    totals[j] += weights[i]
    for (let at = 0; at < dimension; at++) sums[j * dimension + at] += weights[i] * points[i * dimension + at]
  }
  for (let j = 0; j < clusters; j++) {
    const far = totals[j] === 0 ? farthest(weights, squares) : -1
    for (let at = 0; at < dimension; at++)
      centres[j * dimension + at] = far < 0 ? sums[j * dimension + at] / totals[j] : points[far * dimension + at]
  }
}

/** The point that costs most, which then costs nothing, so that a second empty centre takes another. */
function farthest(weights: Float64Array, squares: Float64Array): number {
  let best = 0
  for (let i = 1; i < squares.length; i++) if (squares[i] * weights[i] > squares[best] * weights[best]) best = i
  squares[best] = 0
  return best
}
