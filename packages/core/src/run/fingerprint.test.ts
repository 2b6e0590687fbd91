import { createHash } from 'node:crypto'
import { sha256 } from './fingerprint.js'

const of = (part: Uint8Array | string): string => createHash('sha256').update(part).digest('hex')

it('hashes bytes beyond what one call of the platform takes by the digests of their pieces', async () => {
  const bytes = Uint8Array.from({ length: 10 }, (_, i) => i)
  expect(await sha256(bytes)).toBe(of(bytes))
  // pieces of 0 … 3, 4 … 7 and 8, 9
  expect(await sha256(bytes, 4)).toBe(of(of(bytes.subarray(0, 4)) + of(bytes.subarray(4, 8)) + of(bytes.subarray(8))))
})
