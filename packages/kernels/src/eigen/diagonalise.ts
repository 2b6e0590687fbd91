/** QL converges cubically; more sweeps than this for one value mean NaN or infinity in the matrix. */
const MOST_SWEEPS = 60

/** Rotates two rows: (x, y) ← (c·x − s·y, s·x + c·y). */
function rotate(basis: Float64Array, n: number, row: number, cosine: number, sine: number): void {
  const first = row * n
  const second = first + n
  for (let column = 0; column < n; column++) {
    const x = basis[first + column]
    const y = basis[second + column]
    basis[first + column] = cosine * x - sine * y
    basis[second + column] = sine * x + cosine * y
  }
}

/** The first index from `start` on whose coupling to the next is negligible. */
function blockEnd(diagonal: Float64Array, offDiagonal: Float64Array, start: number): number {
  let end = start
  while (end < diagonal.length - 1) {
    const scale = Math.abs(diagonal[end]) + Math.abs(diagonal[end + 1])
    if (Math.abs(offDiagonal[end]) <= Number.EPSILON * scale) break
    end++
  }
  return end
}

/** Wilkinson's shift, measured from the top of the block. */
function shiftedStart(d: Float64Array, e: Float64Array, start: number, end: number): number {
  const g = (d[start + 1] - d[start]) / (2 * e[start])
  const r = Math.hypot(g, 1)
  return d[end] - d[start] + e[start] / (g + (g < 0 ? -r : r))
}

/** One implicit QL sweep from the end of the block up to its start. */
function sweep(d: Float64Array, e: Float64Array, basis: Float64Array, n: number, start: number, end: number): void {
  let g = shiftedStart(d, e, start, end)
  let [sine, cosine, moved] = [1, 1, 0]
  for (let i = end - 1; i >= start; i--) {
    const f = sine * e[i]
    const b = cosine * e[i]
    const r = Math.hypot(f, g)
    e[i + 1] = r
    if (r === 0) {
      // the block falls apart here: finish with what has been moved
      d[i + 1] -= moved
      e[end] = 0
      return
    }
    sine = f / r
    cosine = g / r
    g = d[i + 1] - moved
    const t = (d[i] - g) * sine + 2 * cosine * b
    moved = sine * t
    d[i + 1] = g + moved
    g = cosine * t - b
    rotate(basis, n, i, cosine, sine)
  }
  d[start] -= moved
  e[start] = g
  e[end] = 0
}

/** Turns the three diagonals into one by QL sweeps with implicit shifts, and rotates the rows of the basis along. */
export function diagonalise(diagonal: Float64Array, offDiagonal: Float64Array, basis: Float64Array, n: number): void {
  for (let start = 0; start < n; start++) {
    for (let sweeps = 0; ; sweeps++) {
      const end = blockEnd(diagonal, offDiagonal, start)
      if (end === start) break
      if (sweeps === MOST_SWEEPS) throw new RangeError('The eigenvalues do not converge.\nLook for NaN or infinity in the matrix.')
      sweep(diagonal, offDiagonal, basis, n, start, end)
    }
  }
}
