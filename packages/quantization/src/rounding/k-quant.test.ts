import '@tensorflow/tfjs-backend-cpu'
import { compress, maskedOf, packTree } from '@tersor/core'
import { BLOCK_TYPES, decodeBlocks, encodeBlocks, type BlockTypeName } from '@tersor/kernels'
import { describeMethod, picoModel, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { bitsPerWeight, describe as structure, toFloat32, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { kQuant } from './k-quant.js'

describeMethod(() => kQuant({ type: 'q4_k' }), { neutral: () => kQuant({ type: 'q8_0' }), tolerance: 0.02 })
describeMethod(() => kQuant({ type: 'q3_k', importance: true }))

useEngine()

const TYPES = Object.keys(BLOCK_TYPES).filter((name): name is Exclude<BlockTypeName, 'mxfp4'> => name !== 'mxfp4')
const part = (tree: Encoded, ...path: string[]): Dense =>
  path.reduce<Encoded | Dense>((at, name) => (at as Encoded).parts[name], tree) as Dense
const row = (groups: number, of: (group: number, i: number) => number): number[] =>
  Array.from({ length: 256 }, (_, i) => of(Math.floor(i / (256 / groups)), i % (256 / groups)))

it('searches by hand: q4_k, two groups that lie on a grid', async () => {
  // Scales 63 and 21, minima 0 and 63: codes of 6 bits for them stand under d = dmin = 1. A group of zeros has scale 0.
  const weight = [row(8, (group, i) => [63 * (i % 16), 21 * (i % 16) - 63][group] ?? 0)]
  const tree = (await applyMethod(kQuant(), { weight })) as Encoded
  expect(structure(tree)).toBe('ranged{data: u4, scale: ranged{data: u6, scale: f16}, minimum: ranged{data: u6, scale: f16}}')
  expect([...toInt32(part(tree, 'data')).subarray(0, 3)]).toEqual([0, 1, 2])
  expect([...toInt32(part(tree, 'scale', 'data'))]).toEqual([63, 21, 0, 0, 0, 0, 0, 0])
  expect([...toInt32(part(tree, 'minimum', 'data'))]).toEqual([0, 63, 0, 0, 0, 0, 0, 0])
  expect([toFloat32(part(tree, 'scale', 'scale'))[0], toFloat32(part(tree, 'minimum', 'scale'))[0]]).toEqual([1, -1])
  expect(await valuesOf(tree)).toEqual(weight)
})

it('searches by hand: q3_k, whose extreme scale takes the first code', async () => {
  // Scales 32 and 16 are codes −32 and −16 under d = −1, and 32 is added to them where they are stored.
  const weight = [row(16, (group, i) => ([32, 16][group] ?? 0) * ((i % 8) - 4))]
  const tree = (await applyMethod(kQuant({ type: 'q3_k' }), { weight })) as Encoded
  expect(structure(tree)).toBe('affine{data: u3, scale: affine{data: u6, scale: f16}}')
  expect([...toInt32(part(tree, 'data')).subarray(0, 9)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0])
  expect([...toInt32(part(tree, 'scale', 'data')).subarray(0, 3)]).toEqual([0, 16, 32])
  expect([...toFloat32(part(tree, 'scale', 'scale'))]).toEqual([-1])
  expect((await valuesOf(tree)).flat().map(value => value + 0)).toEqual(weight[0].map(value => value + 0)) // −0 is 0
})

it.each([
  ['q2_k', 2.625],
  ['q3_k', 3.4375],
  ['q4_k', 4.5],
  ['q5_k', 5.5],
  ['q6_k', 6.5625],
  ['iq4_xs', 4.25],
  ['iq4_nl', 4.5],
  ['q4_0', 4.5],
  ['q4_1', 5],
  ['q5_0', 5.5],
  ['q5_1', 6],
  ['q8_0', 8.5],
] as const)('takes the bits of llama.cpp: %s', async (type, bits) => {
  expect(bitsPerWeight(await applyMethod(kQuant({ type }), { weight: randomRows(2, 512, 1) }))).toBe(bits)
})

describe.each(TYPES)('%s', type => {
  const weight = randomRows(3, 512, 5)
  weight[1].fill(0)
  const values = Float32Array.from(weight.flat())
  const decoded = (importance?: Float32Array): number[] =>
    Array.from(decodeBlocks(type, encodeBlocks(type, values, importance ? { importance } : {})))

  it('stands for what the blocks of ggml stand for', async () => {
    expect((await valuesOf(await applyMethod(kQuant({ type }), { weight }))).flat()).toEqual(decoded())
  })

  if (type === 'q8_0') return

  it('weighs columns by the mean square of their inputs', async () => {
    const inputs = [0, 1, 2].map(token => Array.from({ length: 512 }, (_, c) => ((7 * c + token) % 11) - 5))
    const means = Float32Array.from({ length: 512 }, (_, c) => inputs.reduce((sum, x) => sum + x[c] ** 2, 0) / 3)
    const found = (await valuesOf(await applyMethod(kQuant({ type, importance: true }), { weight, inputs }))).flat()
    expect(found).toEqual(decoded(means))
    const error = (of: number[]): number => of.reduce((sum, value, i) => sum + means[i % 512] * (value - values[i]) ** 2, 0)
    expect(error(found)).toBeLessThan(error(decoded()))
  })
})

it('takes the type of llama.cpp where rows do not fill super-blocks, and says so', async () => {
  const warnings: string[] = []
  const weight = randomRows(2, 96, 3)
  const tree = await applyMethod(kQuant({ type: 'q4_k' }), { weight, onWarning: text => warnings.push(text) })
  expect(warnings).toEqual(['Rows of 96 columns do not fill blocks of 256: q5_0 stands in for q4_k, as in llama.cpp.'])
  expect((await valuesOf(tree)).flat()).toEqual(Array.from(decodeBlocks('q5_0', encodeBlocks('q5_0', Float32Array.from(weight.flat())))))
})

it.each(['q4_0', 'q4_1', 'iq4_nl'] as const)('fills a short row up with zeros: %s', async type => {
  const weight = randomRows(3, 40, 4)
  const filled = Float32Array.from(weight.flatMap(values => [...values, ...new Array<number>(24).fill(0)]))
  const expected = Array.from(decodeBlocks(type, encodeBlocks(type, filled))).filter((_, i) => i % 64 < 40)
  const warnings: string[] = []
  const tree = await applyMethod(kQuant({ type }), { weight, onWarning: text => warnings.push(text) })
  expect([(await valuesOf(tree)).flat(), warnings]).toEqual([expected, []])
})

it.each(['q4_k', 'q6_k'] as const)('stays as it is where masks are packed: %s', async type => {
  const tree = await applyMethod(kQuant({ type }), { weight: randomRows(1, 256, 2) })
  const masked = maskedOf(Uint8Array.from({ length: 256 }, (_, i) => i % 2), tree) // prettier-ignore
  expect(structure(await packTree(masked))).toBe(structure(masked))
  expect(await valuesOf(await packTree(masked))).toEqual(await valuesOf(masked))
})

it('checks its options when it is made, and wants inputs where they count', async () => {
  expect(() => kQuant({ type: 'q9_k' as never })).toThrow('k-quant got type = "q9_k".\nPass q2_k | q3_k | q4_k | q5_k | q6_k | iq4_xs |')
  expect(() => kQuant({ importance: 1 as never })).toThrow('k-quant got importance = 1.')
  expect(() => kQuant({ type: 'q8_0', importance: true })).toThrow(
    'k-quant: importance has no meaning when type is q8_0.\nLeave one of the two out.',
  )
  await expect(compress(picoModel(), kQuant({ importance: true }))).rejects.toMatchObject({ code: 'NO_CALIBRATION' })
})

it('weighs columns that no input reached like the others', async () => {
  const weight = randomRows(2, 32, 4)
  const inputs = randomRows(3, 32, 5).map(row => row.map((value, c) => (c < 8 ? 0 : Math.sign(value) * 2)))
  const even = inputs.map(row => row.map(() => 2))
  const method = kQuant({ type: 'q4_0', importance: true })
  expect(await valuesOf(await applyMethod(method, { weight, inputs }))).toEqual(
    await valuesOf(await applyMethod(method, { weight, inputs: even })),
  )
})
