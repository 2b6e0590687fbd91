import type { CompressionError } from '@tersor/tensor'
import { BLOCK_TYPES, encodeBlocks, type BlockTypeName } from './blocks.js'

const failure = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return `${(error as CompressionError).code}: ${(error as Error).message}`
  }
  return 'none'
}
const REMEDY = 'Look for NaN, infinite or absurdly large numbers in it.'

describe.each(Object.keys(BLOCK_TYPES) as BlockTypeName[])('blocks of %s', type => {
  it.each([NaN, Infinity, -Infinity])('refuse %d', bad => {
    const values = new Float32Array(512).fill(0.5)
    values[300] = bad
    expect(failure(() => encodeBlocks(type, values))).toBe(`NOT_FINITE: ${type} got ${bad} at 300.\n${REMEDY}`)
  })

  it('hold numbers beyond f16, or refuse them where their scale does not', () => {
    const values = new Float32Array(512)
    values.set([70000, 60000], 256)
    expect(failure(() => encodeBlocks(type, values))).toBe('none')
    values[257] = -1e30
    expect(failure(() => encodeBlocks(type, values))).toBe(
      type === 'mxfp4'
        ? 'none'
        : `NOT_FINITE: The scales of ${type} have no room for numbers up to 1.00e+30.\nStore these values as f32 or bf16.`,
    )
  })

  it.each([NaN, Infinity, -1])('refuse an importance of %d', bad => {
    const importance = new Float32Array(256).fill(1)
    importance[7] = bad
    expect(failure(() => encodeBlocks(type, new Float32Array(512), { importance }))).toBe(
      `NOT_FINITE: The importance is ${bad} at 7.\n${REMEDY}`,
    )
  })
})
