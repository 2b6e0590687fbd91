import { packBits } from '@tersor/tensor'
import { gatherKept } from './gather-kept.js'

it.each([1, 2, 4, 8])('gathers elements of %d bytes as a plain loop does', async width => {
  for (const length of [1, 9, 2 ** 15, 2 ** 16 + 5]) {
    const elements = Uint8Array.from({ length: length * width }, (_, i) => (i * 31) >> 2)
    const flags = Uint8Array.from({ length }, (_, i) => ((i * i) % 7) & 1)
    const expected = [...flags.keys()].filter(i => flags[i]).flatMap(i => [...elements.subarray(i * width, (i + 1) * width)])
    expect(Buffer.from(await gatherKept(elements, width, packBits(flags, 1))).equals(Buffer.from(expected))).toBe(true)
  }
})
