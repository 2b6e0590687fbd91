/** Rows of x, (count, length) in float32 with a power of two as length: every x becomes H·x, H without a factor. */
export function hadamardRows(x: usize, count: i32, length: i32): void {
  const bytes = (<usize>length) << 2
  for (let r = 0; r < count; r++) hadamardRow(x + <usize>r * bytes, bytes)
}

/** Butterflies (a, b) ← (a + b, a − b) of partners `half` bytes apart. */
function hadamardRow(row: usize, bytes: usize): void {
  for (let half: usize = 4; half < bytes; half <<= 1) {
    for (let start: usize = 0; start < bytes; start += half << 1) {
      const first = row + start
      const second = first + half
      if (half < 16) {
        for (let i: usize = 0; i < half; i += 4) {
          const a = load<f32>(first + i)
          const b = load<f32>(second + i)
          store<f32>(first + i, a + b)
          store<f32>(second + i, a - b)
        }
        continue
      }
      for (let i: usize = 0; i < half; i += 16) {
        const a = v128.load(first + i)
        const b = v128.load(second + i)
        v128.store(first + i, f32x4.add(a, b))
        v128.store(second + i, f32x4.sub(a, b))
      }
    }
  }
}
