import { createHash } from 'node:crypto'
import { sha256Digests } from './digest.js'

const of = (part: Uint8Array | string): string => createHash('sha256').update(part).digest('hex')
const bytes = Uint8Array.from({ length: 10 }, (_, i) => i)
// pieces of 0 … 3, 4 … 7 and 8, 9
const ofPieces = of(of(bytes.subarray(0, 4)) + of(bytes.subarray(4, 8)) + of(bytes.subarray(8)))

it('hashes bytes beyond a piece by the digests of their pieces', async () => {
  expect(await sha256Digests().of(bytes)).toBe(of(bytes))
  expect(await sha256Digests(4).of(bytes)).toBe(ofPieces)
  expect(await sha256Digests(4).of(new Uint8Array(0))).toBe(of(''))
})

it('hashes memory that threads share, which the platform refuses', async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(10))
  shared.set(bytes)
  expect(await sha256Digests().of(shared)).toBe(of(bytes))
  expect(await sha256Digests(4).of(shared)).toBe(ofPieces)
})

it('hashes what is read into rooms that are used again, whichever piece comes first', async () => {
  const digests = sha256Digests(4)
  const read = async (at: number, length: number, room = new Uint8Array(length)): Promise<Uint8Array> => {
    await new Promise(resolve => setTimeout(resolve, 10 - at))
    room.set(bytes.subarray(at, at + length))
    return room.subarray(0, length)
  }
  for (let time = 0; time < 2; time++) expect(await digests.ofRead(10, read)).toBe(ofPieces)
})

it('throws what reading throws once nobody reads any more', async () => {
  let reading = 0
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    reading++
    await new Promise(resolve => setTimeout(resolve, at))
    reading--
    if (at === 0) throw new Error('gone')
    return bytes.subarray(at, at + length)
  }
  await expect(sha256Digests(4).ofRead(10, read)).rejects.toThrow('gone')
  expect(reading).toBe(0)
})
