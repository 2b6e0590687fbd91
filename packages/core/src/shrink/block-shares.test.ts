import { blockShares } from './block-shares.js'

it('takes most of the blocks that do least: 3 · 0.3 · softmax(−1, −2, −4)', () => {
  const shares = blockShares([0.1, 0.2, 0.4], 0.3)
  expect(shares.map(share => share.toFixed(3))).toEqual(['0.635', '0.234', '0.032'])
})

it('keeps the mean where a block reaches its most', () => {
  const shares = blockShares([0, 0.3, 0.3], 0.5)
  expect(shares[0]).toBe(0.85)
  expect(shares[1]).toBeCloseTo(0.325, 12) // (3 · 0.5 − 0.85) / 2
  expect(blockShares([0, 1, 5], 0.95).every(share => Math.abs(share - 0.95) < 1e-12)).toBe(true)
  expect(blockShares([0.2, 0.2], 0)).toEqual([0, 0])
})
