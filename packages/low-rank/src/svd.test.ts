import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import type { Encoded } from '@tersor/tensor'
import { svd } from './svd.js'

describeMethod(() => svd({ rank: 2 }), { neutral: () => svd({ rank: 16 }) })

useEngine()

it('keeps the largest singular value, by hand', async () => {
  const [[a, b], [c, d]] = await valuesOf(await applyMethod(svd({ rank: 1 }), { weight: [[3, 0], [0, 2]] })) // prettier-ignore
  expect([a, b, c, d].map(value => Math.round(value * 1e5) / 1e5 + 0)).toEqual([3, 0, 0, 0])
})

it('gives back a matrix of that rank, with factors of its sizes', async () => {
  const [u, v] = [randomRows(6, 2, 1), randomRows(2, 9, 2)]
  const weight = u.map(row => v[0].map((_, c) => row[0] * v[0][c] + row[1] * v[1][c]))
  const tree = (await applyMethod(svd({ rank: 2 }), { weight })) as Encoded
  expect([tree.parts.u.shape, tree.parts.v.shape]).toEqual([[6, 2], [2, 9]]) // prettier-ignore
  const values = await valuesOf(tree)
  values.forEach((row, r) => row.forEach((value, c) => expect(value).toBeCloseTo(weight[r][c], 4)))
})

it('checks its options when it is made', () => {
  expect(() => svd({} as { rank: number })).toThrow('svd needs the option "rank".\nPass rank: an integer of at least 1')
  expect(() => svd({ rank: 0 })).toThrow('svd got rank = 0.\nPass an integer of at least 1')
})
