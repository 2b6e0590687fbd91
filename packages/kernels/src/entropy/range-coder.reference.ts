import type { SymbolTables } from './range-coder.js'

const LOWEST = 2 ** 23

/** The same by plain numbers, which hold all whole ones below 2⁵³. */
export const encodedByLoops = (symbols: Int32Array, chosen: ArrayLike<number>, { precision, bounds }: SymbolTables): Uint8Array => {
  const reversed: number[] = []
  let state = LOWEST
  for (let i = symbols.length - 1; i >= 0; i--) {
    const from = bounds[chosen[i]][symbols[i]]
    const width = bounds[chosen[i]][symbols[i] + 1] - from
    while (state >= (LOWEST / 2 ** precision) * 256 * width) {
      reversed.push(state % 256)
      state = Math.floor(state / 256)
    }
    state = Math.floor(state / width) * 2 ** precision + (state % width) + from
  }
  for (let byte = 3; byte >= 0; byte--) reversed.push(Math.floor(state / 256 ** byte) % 256)
  return Uint8Array.from(reversed.reverse())
}

export const decodedByLoops = (bytes: Uint8Array, chosen: ArrayLike<number>, { precision, bounds }: SymbolTables): Int32Array => {
  const whole = 2 ** precision
  let state = bytes[0] + 256 * (bytes[1] + 256 * (bytes[2] + 256 * bytes[3]))
  let at = 4
  return Int32Array.from(chosen, table => {
    const place = state % whole
    const symbol = bounds[table].findIndex((_, i) => bounds[table][i + 1] > place)
    const from = bounds[table][symbol]
    state = (bounds[table][symbol + 1] - from) * Math.floor(state / whole) + place - from
    while (state < LOWEST && at < bytes.length) state = state * 256 + bytes[at++]
    return symbol
  })
}
