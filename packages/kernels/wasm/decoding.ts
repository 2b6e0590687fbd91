/** From what trees store back to float32, the same float32 operations as the codecs have. */

/** Codes of 1 to 8 bits, one in a byte, from a little-endian bit stream. `length` codes. */
export function unpackCodes(bytes: usize, bits: i32, length: i32, codes: usize): void {
  if (bits == 4) return unpackPairs(bytes, length, codes)
  if (bits == 1) return unpackFlags(bytes, length, codes)
  const mask = <u32>((1 << bits) - 1)
  let held: u32 = 0
  let count = 0
  for (let i = 0; i < length; i++) {
    if (count < bits) {
      held |= (<u32>load<u8>(bytes++)) << count
      count += 8
    }
    store<u8>(codes + <usize>i, <u8>(held & mask))
    held >>>= bits
    count -= bits
  }
}

function unpackPairs(bytes: usize, length: i32, codes: usize): void {
  let i = 0
  for (; i + 32 <= length; i += 32) {
    const pairs = v128.load(bytes + <usize>(i >> 1))
    const low = v128.and(pairs, i8x16.splat(15))
    const high = i8x16.shr_u(pairs, 4)
    v128.store(codes + <usize>i, i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
    v128.store(codes + <usize>i, i8x16.shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16)
  }
  for (; i < length; i++) store<u8>(codes + <usize>i, (load<u8>(bytes + <usize>(i >> 1)) >>> ((<u8>(i & 1)) << 2)) & 15)
}

function unpackFlags(bytes: usize, length: i32, codes: usize): void {
  const places = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
  const one = i8x16.splat(1)
  let i = 0
  for (; i + 16 <= length; i += 16) {
    const flags = i16x8.splat(load<i16>(bytes + <usize>(i >> 3)))
    const spread = i8x16.swizzle(flags, i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1))
    v128.store(codes + <usize>i, v128.and(i8x16.eq(v128.and(spread, places), places), one))
  }
  for (; i < length; i++) store<u8>(codes + <usize>i, (load<u8>(bytes + <usize>(i >> 3)) >>> (<u8>(i & 7))) & 1)
}

/** Codes of 1 to 8 bits, one in a byte, as a little-endian bit stream. What stands above `bits` in a code is left out. */
export function packCodes(codes: usize, length: i32, bits: i32, bytes: usize): void {
  if (bits == 4) return packPairs(codes, length, bytes)
  if (bits == 1) return packFlags(codes, length, bytes)
  const mask = <u32>((1 << bits) - 1)
  let held: u32 = 0
  let count = 0
  for (let i = 0; i < length; i++) {
    held |= ((<u32>load<u8>(codes + <usize>i)) & mask) << count
    count += bits
    while (count >= 8) {
      store<u8>(bytes++, <u8>held)
      held >>>= 8
      count -= 8
    }
  }
  if (count > 0) store<u8>(bytes, <u8>held)
}

function packPairs(codes: usize, length: i32, bytes: usize): void {
  const low = i16x8.splat(15)
  let i = 0
  for (; i + 32 <= length; i += 32) {
    const first = v128.load(codes + <usize>i)
    const second = v128.load(codes + <usize>i, 16)
    const a = v128.or(v128.and(first, low), v128.and(i16x8.shr_u(first, 4), i16x8.splat(0xf0)))
    const b = v128.or(v128.and(second, low), v128.and(i16x8.shr_u(second, 4), i16x8.splat(0xf0)))
    v128.store(bytes + <usize>(i >> 1), i8x16.narrow_i16x8_u(a, b))
  }
  for (; i < length; i += 2) {
    const next = i + 1 < length ? load<u8>(codes + <usize>i, 1) << 4 : 0
    store<u8>(bytes + <usize>(i >> 1), (load<u8>(codes + <usize>i) & 15) | next)
  }
}

function packFlags(codes: usize, length: i32, bytes: usize): void {
  let i = 0
  for (; i + 16 <= length; i += 16) store<u16>(bytes + <usize>(i >> 3), <u16>i8x16.bitmask(i8x16.shl(v128.load(codes + <usize>i), 7)))
  for (; i < length; i += 8) {
    let eight: u8 = 0
    for (let j = 0; j < min(8, length - i); j++) eight |= (load<u8>(codes + <usize>(i + j)) & 1) << (<u8>j)
    store<u8>(bytes + <usize>(i >> 3), eight)
  }
}

function floatsOf(four: u32): v128 {
  const words = i16x8.extend_low_i8x16_u(i32x4.splat(four))
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(words))
}

/** (code − zero) · scale for runs of a row; scales, zeros: (rows, runs), or with `joint` one row of them for all. */
export function linesToValues(
  codes: usize,
  length: i32,
  columns: i32,
  run: i32,
  scales: usize,
  zeros: usize,
  joint: i32,
  values: usize,
): void {
  for (let row = 0; row < length; row += columns) {
    let line: usize = joint ? 0 : <usize>(row / columns) * <usize>((columns + run - 1) / run)
    for (let start = 0; start < columns; start += run, line++) {
      const scale = v128.load32_splat(scales + (line << 2))
      const zero = v128.load32_splat(zeros + (line << 2))
      const end = row + min(start + run, columns)
      for (let i = row + start; i < end; i += 4)
        v128.store(values + ((<usize>i) << 2), f32x4.mul(f32x4.sub(floatsOf(load<u32>(codes + <usize>i)), zero), scale))
    }
  }
}

/** table[code] · scale for runs of a row; table: as many float32 as there are codes. */
export function tableToValues(
  codes: usize,
  length: i32,
  columns: i32,
  run: i32,
  scales: usize,
  joint: i32,
  table: usize,
  values: usize,
): void {
  for (let row = 0; row < length; row += columns) {
    let line: usize = joint ? 0 : <usize>(row / columns) * <usize>((columns + run - 1) / run)
    for (let start = 0; start < columns; start += run, line++) {
      const scale = load<f32>(scales + (line << 2))
      const end = row + min(start + run, columns)
      for (let i = row + start; i < end; i++)
        store<f32>(values + ((<usize>i) << 2), load<f32>(table + ((<usize>load<u8>(codes + <usize>i)) << 2)) * scale)
    }
  }
}

/** Values whose flag is 0 become 0. */
export function dropUnkept(flags: usize, length: i32, values: usize): void {
  for (let i = 0; i < length; i += 4) {
    const four = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(load<u32>(flags + <usize>i))))
    const at = values + ((<usize>i) << 2)
    v128.store(at, v128.and(v128.load(at), i32x4.ne(four, i32x4.splat(0))))
  }
}
