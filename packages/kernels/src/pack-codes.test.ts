import { packBits } from '@tersor/tensor'
import { packCodes } from './pack-codes.js'

it.each([1, 2, 3, 4, 5, 6, 7, 8])('packs codes of %d bits as the plain loop does', async bits => {
  for (const length of [0, 1, 7, 33, 2 ** 15, 2 ** 16 + 21]) {
    const codes = Uint8Array.from({ length }, (_, i) => (i * 37 + (i >> 5)) & (2 ** bits - 1))
    expect(await packCodes(codes, bits)).toEqual(packBits(codes, bits))
  }
})

it('leaves out what stands above the bits', async () => {
  expect([...(await packCodes(Uint8Array.of(0x1f, 0x21), 4))]).toEqual([0x1f])
  expect([
    ...(await packCodes(
      Uint8Array.from({ length: 16 }, (_, i) => 2 + (i % 2)),
      1,
    )),
  ]).toEqual([0xaa, 0xaa])
})
