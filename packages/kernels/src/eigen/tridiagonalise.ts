/** A = Q · T · Qᵀ with T of three diagonals. */
export interface Tridiagonal {
  readonly diagonal: Float64Array
  /** Entry i couples i and i+1; the last one is 0. */
  readonly offDiagonal: Float64Array
  /** Qᵀ, (n, n) row-major: its rows are rotated later and lie together in memory. */
  readonly basis: Float64Array
}

interface Reflection {
  readonly vector: Float64Array
  /** 2 / vᵀv, or 0 where nothing needs to be reflected. */
  readonly factor: number
  /** What the reflected column becomes. */
  readonly length: number
}

/** I − factor · v·vᵀ takes x to a multiple of the first unit vector. */
function reflectionOf(vector: Float64Array): Reflection {
  let tail = 0
  for (let at = 1; at < vector.length; at++) tail += vector[at]! ** 2
  if (tail === 0) return { vector, factor: 0, length: vector[0]! }
  const length = vector[0]! > 0 ? -Math.sqrt(vector[0]! ** 2 + tail) : Math.sqrt(vector[0]! ** 2 + tail)
  vector[0]! -= length
  return { vector, factor: 2 / (vector[0]! ** 2 + tail), length }
}

/** w = factor·A·v − (factor²/2)(vᵀ·A·v)·v for the trailing square, of which the lower half is kept. */
function companion(a: Float64Array, n: number, start: number, { vector, factor }: Reflection): Float64Array {
  const size = n - start
  const product = new Float64Array(size)
  for (let row = 0; row < size; row++) {
    const at = (start + row) * n + start
    const own = vector[row]!
    let sum = a[at + row]! * own
    for (let column = 0; column < row; column++) {
      const entry = a[at + column]!
      sum += entry * vector[column]!
      product[column]! += entry * own
    }
    product[row]! += sum
  }
  let dot = 0
  for (let row = 0; row < size; row++) dot += product[row]! * vector[row]!
  const half = (factor * factor * dot) / 2
  for (let row = 0; row < size; row++) product[row] = factor * product[row]! - half * vector[row]!
  return product
}

/** A ← A − v·wᵀ − w·vᵀ in the lower half of the trailing square. */
function updateTrailing(a: Float64Array, n: number, start: number, vector: Float64Array, other: Float64Array): void {
  for (let row = 0; row < n - start; row++) {
    const at = (start + row) * n + start
    const [v, w] = [vector[row]!, other[row]!]
    for (let column = 0; column <= row; column++) a[at + column]! -= v * other[column]! + w * vector[column]!
  }
}

/** Q = H₀·H₁·…, built from the last reflection so that each touches its own square only. */
function accumulate(reflections: readonly Reflection[], n: number): Float64Array {
  const q = new Float64Array(n * n)
  for (let at = 0; at < n; at++) q[at * n + at] = 1
  for (let index = reflections.length - 1; index >= 0; index--) {
    const { vector, factor } = reflections[index]!
    if (factor === 0) continue
    const start = index + 1
    const sums = new Float64Array(n - start)
    for (let row = start; row < n; row++) {
      const weight = vector[row - start]!
      for (let column = start; column < n; column++) sums[column - start]! += weight * q[row * n + column]!
    }
    for (let row = start; row < n; row++) {
      const weight = factor * vector[row - start]!
      for (let column = start; column < n; column++) q[row * n + column]! -= weight * sums[column - start]!
    }
  }
  return q
}

function transposed(matrix: Float64Array, n: number): Float64Array {
  const result = new Float64Array(n * n)
  for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) result[column * n + row] = matrix[row * n + column]!
  return result
}

/** Brings a symmetric matrix to three diagonals by Householder reflections. */
export function tridiagonalise(matrix: ArrayLike<number>, n: number): Tridiagonal {
  const a = Float64Array.from(matrix)
  const diagonal = new Float64Array(n)
  const offDiagonal = new Float64Array(n)
  const reflections: Reflection[] = []
  for (let column = 0; column < n; column++) {
    diagonal[column] = a[column * n + column]!
    const start = column + 1
    if (start >= n) break
    const reflection = reflectionOf(Float64Array.from({ length: n - start }, (_, row) => a[(start + row) * n + column]!))
    offDiagonal[column] = reflection.length
    reflections.push(reflection)
    if (reflection.factor !== 0) updateTrailing(a, n, start, reflection.vector, companion(a, n, start, reflection))
  }
  return { diagonal, offDiagonal, basis: transposed(accumulate(reflections, n), n) }
}
