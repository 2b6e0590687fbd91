import type { KMeans, Problem } from './problem.js'

/** Sorted points with running sums, such that a cluster, which is a range of them, costs no pass. */
interface Line {
  readonly values: Float64Array
  /** Sums of w and of w·x before each point, (count + 1). */
  readonly totals: Float64Array
  readonly moments: Float64Array
}

/** Lloyd's iteration on numbers: clusters are ranges of the sorted points, parted half-way between neighbouring centres. */
export function clusterLine({ points, weights, count, clusters }: Problem, start: Float64Array, iterations: number): KMeans {
  const order = Uint32Array.from({ length: count }, (_, i) => i).sort((i, j) => points[i] - points[j] || i - j)
  const line = lineOf(points, weights, order)
  const centres = start.slice().sort()
  let ends = endsOf(line.values, centres)
  for (let round = 0; round < iterations; round++) {
    moveToMeans(line, centres, ends)
    const next = endsOf(line.values, centres)
    const still = next.every((end, j) => end === ends[j])
    ends = next
    if (still) break
  }
  const assignment = new Int32Array(count)
  let loss = 0
  for (let j = 0, i = 0; j < clusters; j++) {
    for (; i < ends[j]; i++) {
      assignment[order[i]] = j
      loss += weights[order[i]] * (line.values[i] - centres[j]) ** 2
    }
  }
  return { centres: Float32Array.from(centres), assignment, loss }
}

function lineOf(points: Float32Array, weights: Float64Array, order: Uint32Array): Line {
  const values = Float64Array.from(order, i => points[i])
  const totals = new Float64Array(order.length + 1)
  const moments = new Float64Array(order.length + 1)
  order.forEach((from, i) => {
    totals[i + 1] = totals[i] + weights[from]
    moments[i + 1] = moments[i] + weights[from] * values[i]
  })
  return { values, totals, moments }
}

/** Where each cluster ends; a point half-way belongs to the lower centre. */
const endsOf = (values: Float64Array, centres: Float64Array): Int32Array =>
  Int32Array.from(centres, (centre, j) => (j + 1 === centres.length ? values.length : countUpTo(values, (centre + centres[j + 1]) / 2)))

/** How many of the sorted values are at most `limit`. */
function countUpTo(values: Float64Array, limit: number): number {
  let [low, high] = [0, values.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle] <= limit) low = middle + 1
    else high = middle
  }
  return low
}

/** Moves each centre to the mean of its range; those without weight go to the ends of the ranges that reach farthest from their mean. */
function moveToMeans({ values, totals, moments }: Line, centres: Float64Array, ends: Int32Array): void {
  const empty: number[] = []
  const reach: { readonly value: number; readonly cost: number }[] = []
  for (let j = 0; j < centres.length; j++) {
    const [from, to] = [j === 0 ? 0 : ends[j - 1], ends[j]]
    const total = totals[to] - totals[from]
    if (to <= from || total <= 0) {
      empty.push(j)
      continue
    }
    centres[j] = (moments[to] - moments[from]) / total
    for (const at of [from, to - 1]) {
      const cost = (totals[at + 1] - totals[at]) * (values[at] - centres[j]) ** 2
      reach.push({ value: values[at], cost })
    }
  }
  if (empty.length === 0) return
  reach.sort((a, b) => b.cost - a.cost || a.value - b.value)
  empty.forEach((j, index) => (centres[j] = reach[Math.min(index, reach.length - 1)].value))
  centres.sort()
}
