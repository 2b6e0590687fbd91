/** Which scores of a row are among its largest. NaN counts as larger than all numbers; of equal scores the first go. */

/** Integers that are ordered as their float32 values: signed comparison then tells. */
function keyFour(v: v128): v128 {
  const isNan = f32x4.ne(v, v)
  // −0 and 0 are equal
  const bits = f32x4.add(v, f32x4.splat(0))
  const key = v128.xor(bits, v128.and(i32x4.shr_s(bits, 31), i32x4.splat(0x7fffffff)))
  return v128.bitselect(i32x4.splat(0x7fffffff), key, isNan)
}

function sumLanes(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
}

/** How many of the keys are below a bound. */
function countBelow(keys: usize, size: usize, bound: i32): i32 {
  const bounds = i32x4.splat(bound)
  let count = i32x4.splat(0)
  for (let at: usize = 0; at < size; at += 16) count = i32x4.sub(count, i32x4.lt_s(v128.load(keys + at), bounds))
  return sumLanes(count)
}

/** The key of rank `index`: the largest bound that at most `index` keys are below, found bit by bit. */
function keyOfRank(keys: usize, size: usize, index: i32): i32 {
  let found = countBelow(keys, size, 0) <= index ? 0 : i32.MIN_VALUE
  for (let bit = 30; bit >= 0; bit--) {
    const bound = found + (1 << bit)
    if (countBelow(keys, size, bound) <= index) found = bound
  }
  return found
}

/** 1 for each score of a row but its `count` smallest, which get 0; room: 4 bytes for each column, rounded up to whole vectors. */
export function keepLargestOfRows(scores: usize, length: i32, columns: i32, count: i32, room: usize, kept: usize): void {
  const size = (((<usize>columns) << 2) + 15) & ~15
  for (let row = 0; row < length; row += columns) {
    const from = scores + ((<usize>row) << 2)
    const to = kept + <usize>row
    for (let at: usize = 0; at < size; at += 16) v128.store(room + at, keyFour(v128.load(from + at)))
    // what fills the last vector is larger than all
    for (let i = columns; i < <i32>(size >> 2); i++) store<i32>(room + ((<usize>i) << 2), i32.MAX_VALUE)
    const bound = count == 0 ? i32.MIN_VALUE : keyOfRank(room, size, count - 1)
    let left = count - countBelow(room, size, bound)
    for (let i = 0; i < columns; i++) {
      const key = load<i32>(room + ((<usize>i) << 2))
      let keep = key >= bound
      if (key == bound && left > 0) {
        keep = false
        left--
      }
      store<u8>(to + <usize>i, keep ? 1 : 0)
    }
  }
}

/** The same in each run of `run` columns, of which `keep` stay; a last run that is shorter keeps its share, rounded up. */
export function keepLargestOfRuns(scores: usize, length: i32, columns: i32, run: i32, keep: i32, room: usize, kept: usize): void {
  const size = (((<usize>columns) << 2) + 15) & ~15
  for (let row = 0; row < length; row += columns) {
    const from = scores + ((<usize>row) << 2)
    for (let at: usize = 0; at < size; at += 16) v128.store(room + at, keyFour(v128.load(from + at)))
    for (let start = 0; start < columns; start += run) {
      const end = min(start + run, columns)
      const width = end - start
      const removed = width - (keep * width + run - 1) / run
      for (let i = start; i < end; i++) {
        const key = load<i32>(room + ((<usize>i) << 2))
        let before = 0
        for (let j = start; j < i; j++) before += <i32>(load<i32>(room + ((<usize>j) << 2)) <= key)
        for (let j = i + 1; j < end; j++) before += <i32>(load<i32>(room + ((<usize>j) << 2)) < key)
        store<u8>(kept + <usize>(row + i), before >= removed ? 1 : 0)
      }
    }
  }
}
