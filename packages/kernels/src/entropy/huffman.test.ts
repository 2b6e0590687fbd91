import { decodeHuffman, encodeHuffman, huffmanLengths } from './huffman.js'

const drawn = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
const countsOf = (symbols: ArrayLike<number>, size: number): Int32Array => {
  const counts = new Int32Array(size)
  Array.from(symbols).forEach(symbol => counts[symbol]++)
  return counts
}

it('takes 12 bits for 10 symbols of which 8 are one: 0, 10, 11', () => {
  const symbols = [0, 0, 0, 1, 0, 0, 0, 0, 2, 0]
  const lengths = huffmanLengths(countsOf(symbols, 3))
  expect([...lengths]).toEqual([1, 2, 2])
  expect([...encodeHuffman(symbols, lengths)]).toEqual([0b00010000, 0b01100000])
  expect([...decodeHuffman(Uint8Array.of(0b00010000, 0b01100000), lengths, 10)]).toEqual(symbols)
})

it('gives what is not there no code, and what is alone one bit', () => {
  expect([...huffmanLengths([0, 7, 0])]).toEqual([0, 1, 0])
  expect([...huffmanLengths([])]).toEqual([])
  expect([...huffmanLengths([5, 9, 12, 13, 16, 45])]).toEqual([4, 4, 3, 3, 3, 1])
})

it('is at most one bit a symbol above what they are worth, and gives them back', () => {
  const next = drawn(3)
  let wrong = 0
  for (let round = 0; round < 30; round++) {
    const size = 1 + next(40)
    const symbols = Int32Array.from({ length: next(500) }, () => Math.min(next(size), next(size)))
    const counts = countsOf(symbols, size)
    const lengths = huffmanLengths(counts)
    const bytes = encodeHuffman(symbols, lengths)
    const worth = counts.reduce((sum, count) => (count > 0 ? sum - count * Math.log2(count / symbols.length) : sum), 0)
    if (8 * bytes.length > worth + symbols.length + 7) wrong++
    if (decodeHuffman(bytes, lengths, symbols.length).some((symbol, i) => symbol !== symbols[i])) wrong++
  }
  expect(wrong).toBe(0)
})

it('keeps codes at 24 bits where Fibonacci numbers would have more', () => {
  const counts = Array.from({ length: 40 }, () => 1)
  for (let i = 2; i < 40; i++) counts[i] = counts[i - 1] + counts[i - 2]
  const lengths = huffmanLengths(counts)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(24)
  expect(lengths.reduce((sum, length) => sum + 2 ** -length, 0)).toBe(1)
  const symbols = Array.from({ length: 40 }, (_, i) => i)
  expect([...decodeHuffman(encodeHuffman(symbols, lengths), lengths, 40)]).toEqual(symbols)
})

it('refuses counts, lengths, symbols and codes that are none', () => {
  expect(() => huffmanLengths([1, -1])).toThrow('The count of symbol 1 is -1.\nPass whole numbers')
  expect(() => encodeHuffman([1], Uint8Array.of(1, 0))).toThrow('Symbol 0 is 1, which has no code.\nCount all symbols')
  expect(() => encodeHuffman([0], Uint8Array.of(1, 1, 1))).toThrow('There are more codes of up to 1 bits than bits tell apart.')
  expect(() => decodeHuffman(Uint8Array.of(), Uint8Array.of(30), 1)).toThrow('The code of symbol 0 has 30 bits, 24 at most.')
  expect(() => decodeHuffman(Uint8Array.of(0), Uint8Array.of(1, 1), 9)).toThrow('Codes end behind 1 bytes, in the middle.\nRead')
  expect(() => decodeHuffman(new Uint8Array(4).fill(255), Uint8Array.of(1), 1)).toThrow('The code of symbol 0 is none.')
})
