/** Points with their weights. */
export interface Problem {
  /** (count, dimension) row-major. */
  readonly points: Float32Array
  readonly weights: Float64Array
  readonly count: number
  readonly dimension: number
  readonly clusters: number
}

/** ‖x_i − c_j‖². */
export function squaredDistance({ points, dimension }: Problem, i: number, centres: Float64Array, j: number): number {
  let sum = 0
  for (let at = 0; at < dimension; at++) sum += (points[i * dimension + at] - centres[j * dimension + at]) ** 2
  return sum
}

export interface KMeans {
  /** (clusters, dimension) row-major; in one dimension ascending. */
  readonly centres: Float32Array
  /** The cluster of each point, (points). */
  readonly assignment: Int32Array
  /** Σ w · ‖x − c‖². */
  readonly loss: number
}
