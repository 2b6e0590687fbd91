/** Range ANS: symbols by integer tables, one byte at a time; the state stays below 2³¹. */

const LOWEST: u32 = 1 << 23

/**
 * Writes symbols, the last first, from `end` down, and gives the address of the first byte. `tables` are bounds of all tables, one behind the other;
 * `starts` says where that of each symbol begins. Four bytes of state stand before all others.
 */
export function encodeSymbols(symbols: usize, starts: usize, count: i32, bounds: usize, precision: i32, end: usize): usize {
  let state: u32 = LOWEST
  let to = end
  for (let i = count - 1; i >= 0; i--) {
    const at = bounds + ((<usize>(load<i32>(starts + ((<usize>i) << 2)) + load<i32>(symbols + ((<usize>i) << 2)))) << 2)
    const from = load<u32>(at)
    const width = load<u32>(at, 4) - from
    const most: u32 = ((LOWEST >> precision) << 8) * width
    // a table of one symbol takes all of the precision, and its bound is 2³¹: the state never reaches it
    while (state >= most) {
      store<u8>(--to, <u8>state)
      state >>= 8
    }
    state = ((state / width) << precision) + (state % width) + from
  }
  to -= 4
  store<u32>(to, state)
  return to
}

/** The symbol of a table whose part a place lies in, by halving. */
function symbolAt(table: usize, size: i32, place: u32): i32 {
  let low = 0
  let high = size
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (load<u32>(table + ((<usize>middle) << 2)) <= place) low = middle
    else high = middle
  }
  return low
}

/** Reads symbols; gives 1 where the bytes end with the last symbol, as whole ones do, and 0 where they do not. `sizes`: symbols of each table, by where it begins. */
export function decodeSymbols(
  bytes: usize,
  length: i32,
  starts: usize,
  sizes: usize,
  count: i32,
  bounds: usize,
  precision: i32,
  symbols: usize,
): i32 {
  const mask: u32 = (1 << precision) - 1
  const end = bytes + <usize>length
  let state = load<u32>(bytes)
  let from = bytes + 4
  for (let i = 0; i < count; i++) {
    const table = bounds + ((<usize>load<i32>(starts + ((<usize>i) << 2))) << 2)
    const place = state & mask
    const symbol = symbolAt(table, load<i32>(sizes + ((<usize>i) << 2)), place)
    const at = table + ((<usize>symbol) << 2)
    const begin = load<u32>(at)
    state = (load<u32>(at, 4) - begin) * (state >> precision) + place - begin
    while (state < LOWEST && from < end) state = (state << 8) | load<u8>(from++)
    store<i32>(symbols + ((<usize>i) << 2), symbol)
  }
  return state == LOWEST && from == end ? 1 : 0
}
