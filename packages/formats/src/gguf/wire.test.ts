import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { wireFields } from './wire.js'

it('reads what protobuf writes', () => {
  const message = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string('▁a')
    .tag(2, WireType.Bit32)
    .float(-1.5)
    .tag(43, WireType.Varint)
    .int32(-1) // ten bytes
    .tag(7, WireType.Bit64)
    .double(1)
    .tag(300, WireType.Varint)
    .int32(300)
    .finish()
  expect([...wireFields(message)]).toEqual([
    [1, new TextEncoder().encode('▁a')],
    [2, -1.5],
    [43, -1],
    [7, Uint8Array.from([0, 0, 0, 0, 0, 0, 240, 63])],
    [300, 300],
  ])
})

it.each([
  ['a varint without an end', [8, ...Array<number>(11).fill(255)]],
  ['a piece longer than the message', [10, 5, 1]],
  ['a piece of less than no bytes', [10, 255, 255, 255, 255, 15]],
  ['half a float', [13, 0, 0]],
  ['the field 0', [0, 1]],
  ['a group', [11, 12]],
])('refuses %s', (_, bytes) => {
  expect(() => [...wireFields(Uint8Array.from(bytes))]).toThrow('The message ends in the middle of a field')
})
