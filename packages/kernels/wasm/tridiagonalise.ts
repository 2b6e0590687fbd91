/**
 * Brings a symmetric matrix in float32, (n, n) with its upper half, to three diagonals by Householder reflections I − f_j · x_j · x_jᵀ.
 * Row j of the upper half becomes x_j, whose first entry is 1. `work` has room for 3n numbers in float32.
 * A pass over memory takes the update of one reflection, A ← A − v·wᵀ − w·vᵀ, together with the product y = A·x for the next one.
 */
export function tridiagonalise(a: usize, n: i32, diagonal: usize, offDiagonal: usize, factors: usize, work: usize): void {
  const bytes = (<usize>n) << 2
  const v = work
  const w = work + bytes
  const y = w + bytes
  memory.fill(work, 0, 3 * bytes)
  for (let j = 0; j < n; j++) {
    const x = a + <usize>j * bytes
    const vj = load<f32>(at(v, j))
    const wj = load<f32>(at(w, j))
    for (let c = j; c < n; c++) store<f32>(at(x, c), load<f32>(at(x, c)) - (vj * load<f32>(at(w, c)) + wj * load<f32>(at(v, c))))
    store<f64>(diagonal + ((<usize>j) << 3), <f64>load<f32>(at(x, j)))
    if (j + 1 == n) break
    const factor = reflect(x, j + 1, n, offDiagonal + ((<usize>j) << 3))
    store<f32>(at(factors, j), factor)
    memory.fill(at(y, j + 1), 0, (<usize>(n - j - 1)) << 2)
    updateAndMultiply(a, n, j + 1, v, w, x, y)
    let dot: f64 = 0
    for (let c = j + 1; c < n; c++) dot += <f64>load<f32>(at(y, c)) * <f64>load<f32>(at(x, c))
    const half = <f32>(0.5 * <f64>factor * <f64>factor * dot)
    for (let c = j + 1; c < n; c++) {
      store<f32>(at(v, c), load<f32>(at(x, c)))
      store<f32>(at(w, c), factor * load<f32>(at(y, c)) - half * load<f32>(at(x, c)))
    }
  }
}

function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 2)
}

/** Turns row[start …] into the vector of the reflection that leaves only its first entry, which goes to `length`; gives the factor. */
function reflect(row: usize, start: i32, n: i32, length: usize): f32 {
  const first = <f64>load<f32>(at(row, start))
  let tail: f64 = 0
  for (let c = start + 1; c < n; c++) tail += <f64>load<f32>(at(row, c)) * <f64>load<f32>(at(row, c))
  if (tail == 0) {
    store<f64>(length, first)
    memory.fill(at(row, start), 0, (<usize>(n - start)) << 2)
    return 0
  }
  const norm = first > 0 ? -sqrt(first * first + tail) : sqrt(first * first + tail)
  const scale = 1 / (first - norm)
  store<f64>(length, norm)
  store<f32>(at(row, start), 1)
  for (let c = start + 1; c < n; c++) store<f32>(at(row, c), <f32>(scale * <f64>load<f32>(at(row, c))))
  return <f32>((norm - first) / norm)
}

/** One entry: updated, and its part in both products taken. */
function entry(row: usize, i: i32, c: i32, v: usize, w: usize, x: usize, y: usize): void {
  const value = load<f32>(at(row, c)) - (load<f32>(at(v, i)) * load<f32>(at(w, c)) + load<f32>(at(w, i)) * load<f32>(at(v, c)))
  store<f32>(at(row, c), value)
  store<f32>(at(y, i), load<f32>(at(y, i)) + value * load<f32>(at(x, c)))
  if (c != i) store<f32>(at(y, c), load<f32>(at(y, c)) + value * load<f32>(at(x, i)))
}

function sumOf(lanes: v128): f32 {
  return f32x4.extract_lane(lanes, 0) + f32x4.extract_lane(lanes, 1) + (f32x4.extract_lane(lanes, 2) + f32x4.extract_lane(lanes, 3))
}

/** The upper half from row `start` on, two rows at a time. */
function updateAndMultiply(a: usize, n: i32, start: i32, v: usize, w: usize, x: usize, y: usize): void {
  const bytes = (<usize>n) << 2
  let i = start
  for (; i + 2 <= n; i += 2) {
    const row = a + <usize>i * bytes
    const next = row + bytes
    entry(row, i, i, v, w, x, y)
    entry(row, i, i + 1, v, w, x, y)
    entry(next, i + 1, i + 1, v, w, x, y)
    const v0 = v128.load32_splat(at(v, i))
    const v1 = v128.load32_splat(at(v, i + 1))
    const w0 = v128.load32_splat(at(w, i))
    const w1 = v128.load32_splat(at(w, i + 1))
    const x0 = v128.load32_splat(at(x, i))
    const x1 = v128.load32_splat(at(x, i + 1))
    let sum0 = f32x4.splat(0)
    let sum1 = f32x4.splat(0)
    let c = i + 2
    for (; c + 4 <= n; c += 4) {
      const vc = v128.load(at(v, c))
      const wc = v128.load(at(w, c))
      const xc = v128.load(at(x, c))
      const a0 = f32x4.sub(v128.load(at(row, c)), f32x4.add(f32x4.mul(v0, wc), f32x4.mul(w0, vc)))
      const a1 = f32x4.sub(v128.load(at(next, c)), f32x4.add(f32x4.mul(v1, wc), f32x4.mul(w1, vc)))
      v128.store(at(row, c), a0)
      v128.store(at(next, c), a1)
      sum0 = f32x4.add(sum0, f32x4.mul(a0, xc))
      sum1 = f32x4.add(sum1, f32x4.mul(a1, xc))
      v128.store(at(y, c), f32x4.add(v128.load(at(y, c)), f32x4.add(f32x4.mul(a0, x0), f32x4.mul(a1, x1))))
    }
    for (; c < n; c++) {
      entry(row, i, c, v, w, x, y)
      entry(next, i + 1, c, v, w, x, y)
    }
    store<f32>(at(y, i), load<f32>(at(y, i)) + sumOf(sum0))
    store<f32>(at(y, i + 1), load<f32>(at(y, i + 1)) + sumOf(sum1))
  }
  if (i < n) entry(a + <usize>i * bytes, i, i, v, w, x, y)
}
