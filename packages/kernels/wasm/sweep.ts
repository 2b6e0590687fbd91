/** Strips of a matrix that lies by columns: w is (columns, rows) of `rows` neighbours, and so are errors; codes, marks and values lie by rows. */

import { subtractMultiple } from './vectors'

function numberAt(base: usize, index: i32): f32 {
  return load<f32>(base + ((<usize>index) << 2))
}

/** Takes the errors of column i, which stand in its place, to the columns behind it: w_k ← w_k − u_ik · e. upper: (width, total). */
function compensate(w: usize, rows: i32, total: i32, i: i32, upper: usize): void {
  const size = (<usize>rows) << 2
  const errors = w + <usize>i * size
  for (let k = i + 1; k < total; k++) subtractMultiple(w + <usize>k * size, errors, numberAt(upper, i * total + k), size)
}

/**
 * Rounds the first `width` of `total` columns one after the other: codes, clamp(round(w / scale) + zero, 0, top), ties to even in doubles;
 * e = (w − (code − zero) · scale) / u_ii in place of w, which columns behind take up. scales, zeros: (groups, rows); groups: (width), which of
 * them each column takes; mask: (rows, width), 0 where a weight stays removed, or no address; codes: (rows, width).
 */
export function roundColumns(
  w: usize,
  rows: i32,
  total: i32,
  width: i32,
  upper: usize,
  scales: usize,
  zeros: usize,
  groups: usize,
  top: i32,
  mask: usize,
  codes: usize,
): void {
  for (let i = 0; i < width; i++) {
    const diagonal = numberAt(upper, i * total + i)
    const column = w + ((<usize>(i * rows)) << 2)
    const line = (<usize>(load<i32>(groups + ((<usize>i) << 2)) * rows)) << 2
    for (let r = 0; r < rows; r++) {
      const at = (<usize>r) << 2
      const place = <usize>(r * width + i)
      const value = load<f32>(column + at)
      const zero = <f64>load<f32>(zeros + line + at)
      const scale = load<f32>(scales + line + at)
      let code = min(<f64>top, max(0, nearest(<f64>value / <f64>scale) + zero))
      if (mask && load<u8>(mask + place) == 0) code = zero
      store<u8>(codes + place, <u8>code)
      store<f32>(column + at, (value - <f32>(code - zero) * scale) / diagonal)
    }
    compensate(w, rows, total, i, upper)
  }
}

/** Marks all but the `drop` smallest scores (w / u_jj)² of `count` columns of row r, of equals the first go. */
function keepOfRun(w: usize, rows: i32, total: i32, r: i32, first: i32, count: i32, drop: i32, upper: usize, marks: usize): void {
  for (let i = 0; i < count; i++) store<u8>(marks + <usize>i, 1)
  for (let gone = 0; gone < drop; gone++) {
    let least = -1
    let smallest: f32 = 0
    for (let i = 0; i < count; i++) {
      if (load<u8>(marks + <usize>i) == 0) continue
      const j = first + i
      const ratio = <f64>numberAt(w, j * rows + r) / <f64>numberAt(upper, j * total + j)
      const score = <f32>(ratio * ratio)
      if (least >= 0 && score >= smallest) continue
      least = i
      smallest = score
    }
    store<u8>(marks + <usize>least, 0)
  }
}

/**
 * Removes weights of the first `width` of `total` columns one after the other, those that `chosen` does not keep, or where that is no address
 * all but the n best of every m neighbours of a row; errors as `roundColumns` leaves them. chosen, marks, values: (rows, width).
 */
export function removeColumns(
  w: usize,
  rows: i32,
  total: i32,
  width: i32,
  upper: usize,
  chosen: usize,
  m: i32,
  n: i32,
  marks: usize,
  values: usize,
): void {
  if (chosen) memory.copy(marks, chosen, <usize>(rows * width))
  for (let i = 0; i < width; i++) {
    const count = min(m, width - i)
    if (!chosen && i % m == 0)
      for (let r = 0; r < rows; r++)
        keepOfRun(w, rows, total, r, i, count, count - (count * n + m - 1) / m, upper, marks + <usize>(r * width + i))
    const diagonal = numberAt(upper, i * total + i)
    const column = w + ((<usize>(i * rows)) << 2)
    for (let r = 0; r < rows; r++) {
      const place = r * width + i
      const at = (<usize>r) << 2
      const value = load<f32>(column + at)
      const kept: f32 = load<u8>(marks + <usize>place) ? value : 0
      store<f32>(values + ((<usize>place) << 2), kept)
      store<f32>(column + at, (value - kept) / diagonal)
    }
    compensate(w, rows, total, i, upper)
  }
}

/** (w / u_jj)² by rows. w: (width, rows), diagonal: (width), scores: (rows, width). */
export function scoresOfColumns(w: usize, rows: i32, width: i32, diagonal: usize, scores: usize): void {
  for (let j = 0; j < width; j++) {
    const divisor = <f64>numberAt(diagonal, j)
    for (let r = 0; r < rows; r++) {
      const ratio = <f64>numberAt(w, j * rows + r) / divisor
      store<f32>(scores + ((<usize>(r * width + j)) << 2), <f32>(ratio * ratio))
    }
  }
}

/** The least and the largest of each row. w: (width, rows), low, high: (rows). */
export function rangesOfRows(w: usize, rows: i32, width: i32, low: usize, high: usize): void {
  for (let r = 0; r < rows; r++) {
    store<f32>(low + ((<usize>r) << 2), Infinity)
    store<f32>(high + ((<usize>r) << 2), -Infinity)
  }
  for (let j = 0; j < width; j++) {
    const column = w + ((<usize>(j * rows)) << 2)
    let r = 0
    for (; r + 4 <= rows; r += 4) {
      const at = (<usize>r) << 2
      const x = v128.load(column + at)
      v128.store(low + at, f32x4.pmin(v128.load(low + at), x))
      v128.store(high + at, f32x4.pmax(v128.load(high + at), x))
    }
    for (; r < rows; r++) {
      const x = numberAt(column, r)
      const at = (<usize>r) << 2
      if (x < load<f32>(low + at)) store<f32>(low + at, x)
      if (x > load<f32>(high + at)) store<f32>(high + at, x)
    }
  }
}

/** (lines, count) → (count, lines), in tiles that stay in the nearest cache. */
export function transposeLines(from: usize, lines: i32, count: i32, to: usize): void {
  const TILE = 16
  for (let first = 0; first < lines; first += TILE) {
    const last = min(first + TILE, lines)
    for (let start = 0; start < count; start += TILE) {
      const end = min(start + TILE, count)
      for (let c = start; c < end; c++)
        for (let l = first; l < last; l++) store<f32>(to + ((<usize>(c * lines + l)) << 2), numberAt(from, l * count + c))
    }
  }
}
