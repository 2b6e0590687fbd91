import { dot, subtractScaled } from './vectors'

/**
 * Factors A = L·Lᵀ in place, (n, n) in doubles, reading and writing the lower half: l_ij = (a_ij − Σ_k l_ik l_jk) / l_jj.
 * Gives −1, or the index of the first pivot that is not a positive number, which is left in its place.
 */
export function choleskyInPlace(a: usize, n: i32): i32 {
  const size = (<usize>n) << 3
  for (let i = 0; i < n; i++) {
    const row = a + <usize>i * size
    for (let j = 0; j < i; j++) {
      const other = a + <usize>j * size
      const at = row + ((<usize>j) << 3)
      store<f64>(at, (load<f64>(at) - dot(row, other, j)) / load<f64>(other + ((<usize>j) << 3)))
    }
    const at = row + ((<usize>i) << 3)
    const pivot = load<f64>(at) - dot(row, row, i)
    store<f64>(at, pivot)
    if (!(pivot > 0) || pivot == Infinity) return i
    store<f64>(at, sqrt(pivot))
  }
  return -1
}

/** X = L⁻¹, (n, n) in doubles; X must be all zeros: x_i = (unit_i − Σ_k l_ik x_k) / l_ii, row by row. */
export function invertLower(l: usize, x: usize, n: i32): void {
  const size = (<usize>n) << 3
  for (let i = 0; i < n; i++) {
    const row = l + <usize>i * size
    const target = x + <usize>i * size
    for (let k = 0; k < i; k++) subtractScaled(target, x + <usize>k * size, load<f64>(row + ((<usize>k) << 3)), k + 1)
    const diagonal = load<f64>(row + ((<usize>i) << 3))
    for (let j = 0; j < i; j++) {
      const at = target + ((<usize>j) << 3)
      store<f64>(at, load<f64>(at) / diagonal)
    }
    store<f64>(target + ((<usize>i) << 3), 1 / diagonal)
  }
}
