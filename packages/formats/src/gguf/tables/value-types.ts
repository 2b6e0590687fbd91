/** Types of metadata values: their number in the file and their bytes; a string is its length, then its text. */
export const VALUE_TYPES = {
  u8: { id: 0, bytes: 1 },
  i8: { id: 1, bytes: 1 },
  u16: { id: 2, bytes: 2 },
  i16: { id: 3, bytes: 2 },
  u32: { id: 4, bytes: 4 },
  i32: { id: 5, bytes: 4 },
  f32: { id: 6, bytes: 4 },
  bool: { id: 7, bytes: 1 },
  string: { id: 8, bytes: 8 },
  u64: { id: 10, bytes: 8 },
  i64: { id: 11, bytes: 8 },
  f64: { id: 12, bytes: 8 },
} as const

export type ValueType = keyof typeof VALUE_TYPES

/** The number of a list: type of its elements, count, elements. */
export const LIST_ID = 9

export const VALUE_TYPE_OF: ReadonlyMap<number, ValueType> = new Map(
  Object.entries(VALUE_TYPES).map(([name, { id }]) => [id, name as ValueType]),
)
