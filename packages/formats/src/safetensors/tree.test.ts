import '@tensorflow/tfjs-backend-cpu'
import { rm } from 'node:fs/promises'
import {
  affine,
  bitmask,
  codebook,
  CORE_CODECS,
  factored,
  levels,
  masked,
  matrix,
  permuted,
  powers,
  ranged,
  scaled,
  sum,
} from '@tersor/core'
import { encoded, fromFloat32, fromIntegers, type Codec, type DType, type Encoded } from '@tersor/tensor'
import { temporaryFolder } from '../files/failing-file-system.fixture.js'
import { openSafetensors, safetensorsSink } from '../safetensors.js'

let folder = ''
beforeEach(async () => (folder = await temporaryFolder()))
afterEach(() => rm(folder, { recursive: true, force: true }))

const f32 = (...shape: number[]) => fromFloat32(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), 'f32', shape)
const codes = (dtype: DType, values: readonly number[], shape: number[]) => fromIntegers(values, dtype, shape)
const four = codes('u4', [0, 1, 2, 3], [2, 2])

/** What comes back of a tree that nothing held against its codec when it was written. */
const readAgain = async (tree: Encoded): Promise<unknown> => {
  const sink = safetensorsSink(`${folder}/x`, { overwrite: true })
  await sink.write('w', tree)
  await (await sink.finish()).close()
  const store = await openSafetensors(`${folder}/x`, { codecs: [...CORE_CODECS, halves] })
  try {
    return await store.read('w')
  } finally {
    await store.close()
  }
}

/** A codec of somebody else, which checks nothing. */
const halves: Codec = { name: 'halves', decode: ({ a }) => a }

it.each<readonly [tree: Encoded, what: string]>([
  [
    encoded(affine, [2, 2], { data: four, scale: f32(3, 1) }, { bits: 4, group: 2 }),
    'affine, and the scale is [3, 1], expected [2, 1] or [1, 1]',
  ],
  [encoded(affine, [2, 2], { data: four, scale: f32(2, 1) }, { bits: 3, group: 2 }), 'affine, and the data is u4, expected u3'],
  [
    encoded(affine, [2, 2], { data: four, scale: f32(2, 1) }, { bits: 4, group: 0 }),
    'affine, and group is 0, expected a whole number from 1',
  ],
  [
    encoded(affine, [2, 3], { data: four, scale: f32(2, 1) }, { bits: 4, group: 3 }),
    'affine, and the data is [2, 2], and the whole [2, 3]',
  ],
  [encoded(affine, [2, 2], { data: four }, { bits: 4, group: 2 }), 'affine, and there is no scale'],
  [
    encoded(affine, [2, 2], { data: four, scale: f32(2, 1), zero: codes('u4', [1], [1, 1]) }, { bits: 4, group: 2 }),
    'affine, and the zero is [1, 1], expected [2, 1]',
  ],
  [
    encoded(ranged, [2, 2], { data: four, scale: f32(2, 2), minimum: f32(2, 1) }, { group: 1 }),
    'ranged, and the minimum is [2, 1], expected [2, 2] or [1, 2]',
  ],
  [encoded(levels, [2, 2], { data: four, levels: f32(3) }, { group: 2 }), 'levels, and the data has the code 3, and there are 3 levels'],
  [encoded(levels, [2, 2], { data: four, levels: f32(2, 2) }, { group: 2 }), 'levels, and the levels are [2, 2], expected a list'],
  [encoded(masked, [2, 2], { mask: codes('u1', [1, 0], [1, 2]), values: f32(2, 2) }), 'masked, and the mask is [1, 2], expected [2, 2]'],
  [
    encoded(bitmask, [2, 2], { mask: codes('u1', [1, 0, 1, 1], [2, 2]), values: f32(2, 1) }),
    'bitmask, and the mask keeps 3 values, and there are 2',
  ],
  [
    encoded(codebook, [2], { data: codes('u8', [3, 16], [2]), scale: f32(1) }, { table: 'nf4', block: 2 }),
    'codebook, and the data has the code 16, and there are 16 levels',
  ],
  [encoded(codebook, [2, 2], { data: four, scale: f32(3) }, { table: 'nf4', block: 2 }), 'codebook, and the scale is [3], expected [2]'],
  [
    encoded(codebook, [2, 2], { data: four, scale: f32(2) }, { table: 'toString', block: 2 }),
    'codebook, and there is no codebook "toString"',
  ],
  [encoded(factored, [2, 3], { u: f32(2, 1), v: f32(2, 3) }), 'factored, and the v is [2, 3], expected [1, 3]'],
  [encoded(matrix, [2, 3], { values: f32(2, 3) }, { outAxis: 1 }), 'matrix, and the values is [2, 3], expected [3, 2]'],
  [encoded(matrix, [2, 3], { values: f32(2, 3) }, { outAxis: 2 }), 'matrix, and outAxis is 2, expected a whole number from 0 to 1'],
  [
    encoded(permuted, [1, 2], { order: codes('i32', [0, 0], [2]), values: f32(1, 2) }),
    'permuted, and the order names not each of 2 columns once',
  ],
  [encoded(powers, [3], { exponent: codes('u8', [1, 2], [2]) }), 'powers, and the exponent is [2], and the whole [3]'],
  [encoded(scaled, [3, 2], { values: f32(3, 2), scale: f32(1, 1) }, { block: [2, 2] }), 'scaled, and the scale is [1, 1], expected [2, 1]'],
  [encoded(sum, [2, 2], { base: f32(2, 2), update: f32(2, 1) }), 'sum, and the update is [2, 1], expected [2, 2]'],
])('refuses %#: a tree whose parts do not fit each other, before anything decodes it', async (tree, what) => {
  await expect(readAgain(tree)).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: `"w" is stored as ${what}.\nThe file is damaged or was not written completely: get it again.`,
  })
})

it('names the tree within a tree that does not fit', async () => {
  const inner = encoded(affine, [2, 2], { data: four, scale: f32(2) }, { bits: 4, group: 2 })
  await expect(readAgain(encoded(masked, [2, 2], { mask: codes('u1', [1, 1, 1, 1], [2, 2]), values: inner }))).rejects.toMatchObject({
    code: 'BAD_FILE',
    message: expect.stringMatching(/^"w\/values" is stored as affine, and the scale is \[2\], expected \[2, 1\] or \[1, 1\]\.\n/),
  })
})

it('reads trees of codecs that check nothing', async () => {
  expect(await readAgain(encoded(halves, [2], { a: f32(1) }))).toMatchObject({ kind: 'encoded', shape: [2] })
})
