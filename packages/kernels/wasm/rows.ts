/** Row operations in float32; lengths in numbers. */

function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2)
}

/** Σ x_i y_i, in eight sums of float32 that are added in doubles. */
export function dotRows(x: usize, y: usize, length: i32): f64 {
  let first = f32x4.splat(0)
  let second = f32x4.splat(0)
  let i = 0
  for (; i + 8 <= length; i += 8) {
    first = f32x4.add(first, f32x4.mul(v128.load(at(x, i)), v128.load(at(y, i))))
    second = f32x4.add(second, f32x4.mul(v128.load(at(x, i), 16), v128.load(at(y, i), 16)))
  }
  let sum = <f64>f32x4.extract_lane(first, 0) + <f64>f32x4.extract_lane(first, 1) + <f64>f32x4.extract_lane(first, 2)
  sum += <f64>f32x4.extract_lane(first, 3) + <f64>f32x4.extract_lane(second, 0) + <f64>f32x4.extract_lane(second, 1)
  sum += <f64>f32x4.extract_lane(second, 2) + <f64>f32x4.extract_lane(second, 3)
  for (; i < length; i++) sum += <f64>load<f32>(at(x, i)) * <f64>load<f32>(at(y, i))
  return sum
}

/** (x, y) ← (c·x − s·y, s·x + c·y). */
function rotateRows(x: usize, y: usize, cosine: f32, sine: f32, length: i32): void {
  const c = f32x4.splat(cosine)
  const s = f32x4.splat(sine)
  let i = 0
  for (; i + 4 <= length; i += 4) {
    const p = v128.load(at(x, i))
    const q = v128.load(at(y, i))
    v128.store(at(x, i), f32x4.sub(f32x4.mul(c, p), f32x4.mul(s, q)))
    v128.store(at(y, i), f32x4.add(f32x4.mul(s, p), f32x4.mul(c, q)))
  }
  for (; i < length; i++) {
    const p = load<f32>(at(x, i))
    const q = load<f32>(at(y, i))
    store<f32>(at(x, i), cosine * p - sine * q)
    store<f32>(at(y, i), sine * p + cosine * q)
  }
}

/**
 * One sweep of one-sided Jacobi: rotates each two rows of b, (k, length), until they are orthogonal, and the rows of w, (k, k), along.
 * Two rows whose cosine is below `tolerance`, or one of which is shorter than `negligible`, are left alone. Gives the number of rotations.
 * `squares` has room for the squared lengths, k doubles.
 */
export function jacobiSweep(b: usize, length: i32, w: usize, k: i32, squares: usize, tolerance: f64, negligible: f64): i32 {
  let rotations = 0
  const least = negligible * negligible
  for (let i = 0; i < k; i++) store<f64>(squares + ((<usize>i) << 3), dotRows(at(b, i * length), at(b, i * length), length))
  for (let i = 0; i < k; i++) {
    const x = at(b, i * length)
    for (let j = i + 1; j < k; j++) {
      const first = load<f64>(squares + ((<usize>i) << 3))
      const second = load<f64>(squares + ((<usize>j) << 3))
      if (first <= least || second <= least) continue
      const y = at(b, j * length)
      const overlap = dotRows(x, y, length)
      if (abs(overlap) <= tolerance * sqrt(first * second)) continue
      const zeta = (second - first) / (2 * overlap)
      const tangent = (zeta < 0 ? -1.0 : 1.0) / (abs(zeta) + sqrt(1 + zeta * zeta))
      const cosine = 1 / sqrt(1 + tangent * tangent)
      rotateRows(x, y, <f32>cosine, <f32>(cosine * tangent), length)
      rotateRows(at(w, i * k), at(w, j * k), <f32>cosine, <f32>(cosine * tangent), k)
      store<f64>(squares + ((<usize>i) << 3), first - tangent * overlap)
      store<f64>(squares + ((<usize>j) << 3), second + tangent * overlap)
      rotations++
    }
  }
  return rotations
}

/** y ← y − factor · x. */
function subtractRow(y: usize, x: usize, factor: f32, length: i32): void {
  const factors = f32x4.splat(factor)
  let i = 0
  for (; i + 4 <= length; i += 4) v128.store(at(y, i), f32x4.sub(v128.load(at(y, i)), f32x4.mul(factors, v128.load(at(x, i)))))
  for (; i < length; i++) store<f32>(at(y, i), load<f32>(at(y, i)) - factor * load<f32>(at(x, i)))
}

/**
 * Householder QR of Aᵀ: rows a_j, (n, m) with n ≤ m, become the rows of Qᵀ, and r, (n, n) all zeros, becomes the upper factor R of A = Q·R.
 * `factors` has room for n doubles.
 */
export function householderRows(a: usize, m: i32, n: i32, r: usize, factors: usize): void {
  for (let j = 0; j < n; j++) {
    const x = at(a, j * m)
    for (let i = 0; i < j; i++) {
      // row j as the reflections before it left it
      const v = at(a, i * m + i)
      const factor = load<f64>(factors + ((<usize>i) << 3))
      if (factor != 0) subtractRow(at(x, i), v, <f32>(factor * dotRows(at(x, i), v, m - i)), m - i)
    }
    for (let i = 0; i < j; i++) {
      store<f32>(at(r, i * n + j), load<f32>(at(x, i)))
      store<f32>(at(x, i), 0)
    }
    const first = <f64>load<f32>(at(x, j))
    const tail = dotRows(at(x, j + 1), at(x, j + 1), m - j - 1)
    const norm = first > 0 ? -sqrt(first * first + tail) : sqrt(first * first + tail)
    store<f32>(at(r, j * n + j), <f32>(tail == 0 ? first : norm))
    store<f64>(factors + ((<usize>j) << 3), tail == 0 ? 0 : (norm - first) / norm)
    const scale: f64 = tail == 0 ? 0 : 1 / (first - norm)
    store<f32>(at(x, j), 1)
    for (let c = j + 1; c < m; c++) store<f32>(at(x, c), <f32>(scale * <f64>load<f32>(at(x, c))))
  }
  formRows(a, m, n, factors)
}

/** Row j of Qᵀ is H₀ ⋯ H_{n−1} · unit_j; built from the last reflection, each in its own place. */
function formRows(a: usize, m: i32, n: i32, factors: usize): void {
  for (let j = n - 1; j >= 0; j--) {
    const x = at(a, j * m + j)
    const factor = load<f64>(factors + ((<usize>j) << 3))
    for (let i = j + 1; i < n; i++) {
      const row = at(a, i * m + j)
      if (factor != 0) subtractRow(row, x, <f32>(factor * dotRows(row, x, m - j)), m - j)
    }
    for (let c = j; c < m; c++) {
      const value = load<f32>(at(a, j * m + c))
      store<f32>(at(a, j * m + c), <f32>((c == j ? 1 : 0) - factor * <f64>value))
    }
  }
}
