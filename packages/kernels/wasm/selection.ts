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

/**
 * How often each half of the keys occurs, 2^16 counts: the upper halves, or with `shift` 0 the lower ones of those keys whose upper half is
 * `high`. Halves are those of unsigned keys.
 */
export function countKeys(scores: usize, length: i32, shift: i32, high: i32, counts: usize): void {
  memory.fill(counts, 0, 4 << 16)
  for (let i = 0; i < length; i++) {
    const score = load<f32>(scores + ((<usize>i) << 2))
    const key = (<u32>i32x4.extract_lane(keyFour(f32x4.splat(score)), 0)) ^ 0x80000000
    if (shift == 0 && <i32>(key >>> 16) != high) continue
    const count = counts + ((<usize>((key >>> shift) & 0xffff)) << 2)
    store<i32>(count, load<i32>(count) + 1)
  }
}

/** 1 for each score above a key, 0 below it, and 0 for the first `equal` of those that have it. */
export function keepAbove(scores: usize, length: i32, bound: i32, equal: usize, kept: usize): void {
  let left = load<i32>(equal)
  const bounds = i32x4.splat(bound)
  // the last vector may reach behind the scores: its marks there lie behind all
  for (let i = 0; i < length; i += 4) {
    const keys = keyFour(v128.load(scores + ((<usize>i) << 2)))
    let marks = i32x4.ge_s(keys, bounds)
    if (left > 0 && v128.any_true(i32x4.eq(keys, bounds))) {
      for (let lane = 0; lane < 4; lane++) {
        const key = i32x4.extract_lane(keyFour(v128.load32_splat(scores + ((<usize>(i + lane)) << 2))), 0)
        if (key == bound && left > 0) {
          left--
          store<u8>(kept + <usize>(i + lane), 0)
        } else store<u8>(kept + <usize>(i + lane), key >= bound ? 1 : 0)
      }
      continue
    }
    marks = v128.and(marks, i32x4.splat(1))
    const words = i16x8.narrow_i32x4_s(marks, marks)
    store<u32>(kept + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
  }
}

/** Elements of 1, 2, 4 or 8 bytes whose flag of one bit is set, one behind the other, and how many. bytes: of the elements. */
export function gatherKept(elements: usize, flags: usize, bytes: i32, width: i32, gathered: usize, count: usize): void {
  let to = gathered
  const length = bytes / width
  for (let i = 0; i < length; i++) {
    const kept = (load<u8>(flags + <usize>(i >> 3)) >>> (<u8>(i & 7))) & 1
    // what is not kept is written too, and over
    if (width == 2) store<u16>(to, load<u16>(elements + ((<usize>i) << 1)))
    else if (width == 1) store<u8>(to, load<u8>(elements + <usize>i))
    else if (width == 4) store<u32>(to, load<u32>(elements + ((<usize>i) << 2)))
    else store<u64>(to, load<u64>(elements + ((<usize>i) << 3)))
    to += <usize>(kept * width)
  }
  store<i32>(count, <i32>((to - gathered) / <usize>width))
}
