import '@tensorflow/tfjs-backend-cpu'
import { BLOCK_TYPES, decodeBlocks, unpackBlocks, type BlockTypeName } from '@tersor/kernels'
import { describeCodec, useEngine, valuesOf } from '@tersor/testing'
import { encoded, fromFloat32, fromIntegers, type Encoded } from '@tersor/tensor'
import { createRng } from '../run/rng.js'
import { affineOf } from './affine.js'
import { blocksToTree, treeToBlocks } from './block-trees.js'
import { codebookOf } from './codebook.js'
import { powersOf } from './powers.js'
import { ranged } from './ranged.js'

const halves = (values: number[], shape: number[]) => fromFloat32(values, 'f16', shape)
const codes = fromIntegers([0, 1, 3, 2, 1, 0], 'u2', [2, 3])

describeCodec('ranged, the last group short', () => ({
  tree: encoded(
    ranged,
    [2, 3],
    { data: codes, scale: halves([2, 1, 0.5, 4], [2, 2]), minimum: halves([-1, 0, 3, 8], [2, 2]) },
    { group: 2 },
  ),
  values: [-1, 1, 3, 4, 3.5, 8],
}))
describeCodec('ranged, without a minimum', () => ({
  tree: encoded(ranged, [2, 3], { data: codes, scale: halves([2, 3], [2, 1]) }, { group: 4 }),
  values: [0, 2, 6, 6, 3, 0],
}))

useEngine()

const TYPES = Object.keys(BLOCK_TYPES) as BlockTypeName[]
const ROWS = 3

/** Blocks of any codes under scales that are finite. */
const randomBlocks = (type: BlockTypeName): Uint8Array => {
  const { bytes, block } = BLOCK_TYPES[type]
  const rng = createRng(3)
  const blocks = Uint8Array.from({ length: (bytes * ROWS * 512) / block }, () => rng.integer(256))
  for (let at = 1; at < blocks.length; at += 2) if ((blocks[at] & 0x7c) === 0x7c) blocks[at] &= 0x83
  for (let at = 0; at < blocks.length; at += bytes) blocks[at] &= 0x83
  return blocks
}

describe.each(TYPES)('%s', type => {
  const blocks = randomBlocks(type)
  const tree = blocksToTree(type, blocks, [ROWS, 512])

  it('decodes to the values of the blocks', async () => {
    const expected = Array.from(decodeBlocks(type, blocks), value => value + 0) // −0 is 0
    expect((await valuesOf(tree)).flat().map(value => value + 0)).toEqual(expected)
  })

  it('is found again with all its bytes', () => {
    expect(treeToBlocks(tree)).toEqual({ type, bytes: blocks })
  })

  it('has no blocks where a row does not fill them', () => {
    const { block, bytes } = BLOCK_TYPES[type]
    expect(treeToBlocks(blocksToTree(type, blocks.subarray(0, bytes), [1, block - 8]))).toBeUndefined()
  })
})

it('tells apart what only looks alike', () => {
  const q4 = blocksToTree('q4_0', randomBlocks('q4_0'), [ROWS, 512])
  expect(treeToBlocks(encoded(q4.codec, q4.shape, q4.parts, { bits: 4, group: 64 }))).toBeUndefined()
  const shared = affineOf({ shape: [2, 32], bits: 4, group: 32, codes: new Uint8Array(64), scales: [1] })
  expect(treeToBlocks(shared)).toBeUndefined()
  const wide = affineOf({ shape: [2, 32], bits: 4, group: 32, codes: new Uint8Array(64), scales: [1, 1e6] })
  expect(treeToBlocks(wide)).toBeUndefined()
  const q3 = blocksToTree('q3_k', randomBlocks('q3_k'), [ROWS, 512])
  const inner = q3.parts.scale as Encoded
  const others = { ...q3.parts, scale: encoded(inner.codec, inner.shape, inner.parts, { bits: 6, group: 32 }) }
  expect(treeToBlocks(encoded(q3.codec, q3.shape, others, q3.attrs))).toBeUndefined()
})

it('finds MXFP4 in the floats of the microscaling formats', () => {
  const e2m1 = Uint8Array.from({ length: 64 }, (_, i) => i % 16)
  const tree = codebookOf({ shape: [2, 32], table: 'e2m1', block: 32, codes: e2m1, scale: powersOf([127, 130], [2, 1]) })
  const { type, bytes } = treeToBlocks(tree)!
  expect([type, bytes.length, bytes[0], bytes[17]]).toEqual(['mxfp4', 34, 127, 130])
  expect(Array.from(decodeBlocks('mxfp4', bytes).subarray(0, 10))).toEqual([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5])
})

it('refuses blocks that are cut off', () => {
  const code = expect.objectContaining({
    code: 'SHAPE',
    message: 'q3_k takes a multiple of 110 bytes, got 111.\nPass whole rows of a tensor.',
  })
  expect(() => blocksToTree('q3_k', new Uint8Array(111), [1, 256])).toThrow(code)
  expect(() => unpackBlocks('q3_k', new Uint8Array(111))).toThrow(code)
})
