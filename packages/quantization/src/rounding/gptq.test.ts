import '@tensorflow/tfjs-backend-cpu'
import { codeOf, lineBetween, maskedOf, type Grid, type Line } from '@tersor/core'
import { describeMethod, randomRows, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import { fromFloat32 } from '@tersor/tensor'
import { dampedMoment, sweepReference } from '../../../kernels/src/column-sweep.reference.js'
import { gptq } from './gptq.js'
import { rtn } from './rtn.js'

describeMethod(() => gptq({ bits: 4, group: 8 }), { neutral: () => gptq({ bits: 8, granularity: 'row' }), tolerance: 0.02 })

useEngine()

const outputError = (weight: number[][], other: number[][], inputs: number[][]): number =>
  inputs.reduce(
    (sum, x) => sum + weight.reduce((rowSum, row, r) => rowSum + row.reduce((dot, w, c) => dot + (w - other[r][c]) * x[c], 0) ** 2, 0),
    0,
  )

it.each([
  ['whole rows', 24, true],
  ['groups of 8', 8, true],
  ['asymmetric groups of 8', 8, false],
])('equals the plain-loop reference with %s, over several blocks', async (_name, group, symmetric) => {
  const weight = randomRows(5, 24, 1)
  const inputs = randomRows(60, 24, 2, 1.5)
  const grid: Grid = { bits: 3, symmetric, group, joint: false }
  const lines: Line[] = []
  const expected = sweepReference(weight, dampedMoment(inputs, 0.01), (row, j, current) => {
    if (j % group === 0) {
      const part = current.slice(j, j + group)
      lines[row] = lineBetween(Math.min(...part), Math.max(...part), grid)
    }
    return (codeOf(current[j], lines[row], 3) - lines[row].zero) * lines[row].scale
  })
  const actual = await valuesOf(await applyMethod(gptq({ bits: 3, symmetric, group, block: 7 }), { weight, inputs }))
  // scales are stored as halves: a last bit may differ between the two
  actual.forEach((row, r) => row.forEach((value, c) => expect(Math.abs(value - expected[r][c])).toBeLessThan(1e-3)))
})

it('is rounding to nearest where inputs are uncorrelated', async () => {
  const weight = randomRows(3, 4, 5)
  const inputs = [
    [2, 0, 0, 0],
    [0, 2, 0, 0],
    [0, 0, 2, 0],
    [0, 0, 0, 2],
  ]
  const options = { bits: 3, granularity: 'row' } as const
  expect(await valuesOf(await applyMethod(gptq(options), { weight, inputs }))).toEqual(
    await valuesOf(await applyMethod(rtn(options), { weight })),
  )
})

it.each([{}, { actOrder: true }, { staticGroups: true }])('loses less output than rounding, with %p', async extra => {
  const weight = randomRows(16, 32, 7)
  const inputs = randomRows(256, 32, 8, 2)
  const error = async (method: Parameters<typeof applyMethod>[0]) =>
    outputError(weight, await valuesOf(await applyMethod(method, { weight, inputs })), inputs)
  expect(await error(gptq({ bits: 3, group: 16, ...extra }))).toBeLessThan(0.7 * (await error(rtn({ bits: 3, group: 16 }))))
})

it('keeps removed weights at exactly zero, also on an asymmetric grid', async () => {
  const weight = randomRows(4, 8, 9)
  const mask = weight.map(row => row.map((_, c) => (c % 4 < 2 ? 1 : 0)))
  const current = fromFloat32(weight.flat(), 'f32', [4, 8])
  for (const symmetric of [true, false]) {
    const tree = await applyMethod(gptq({ bits: 4, group: 8, symmetric }), { weight, inputs: randomRows(40, 8, 3, 1), mask, current })
    const values = await valuesOf(tree)
    values.forEach((row, r) => row.forEach((value, c) => !mask[r][c] && expect(value).toBe(0)))
    expect(await valuesOf(maskedOf(mask.flat(), tree))).toEqual(values)
  }
})

it('rounds a column that no input reached to nearest, and all of them where none did', async () => {
  // rows of [-7.5, 7.5]: scale 1 and zero 8, so that 2.2 becomes 2 whatever the others do
  const weight = [[7.5, 2.2, -3.1, 0.4], [-7.5, 4.7, 1.2, 6.6]] // prettier-ignore
  const inputs = randomRows(40, 4, 3, 1).map(row => [row[0], 0, row[2], row[3]])
  const method = gptq({ bits: 4, group: 4, staticGroups: true })
  const values = await valuesOf(await applyMethod(method, { weight, inputs }))
  expect(values.map(row => row[1])).toEqual([2, 5])
  const silent = await valuesOf(await applyMethod(method, { weight, inputs: inputs.map(row => row.map(() => 0)) }))
  expect(silent).toEqual(await valuesOf(await applyMethod(rtn({ bits: 4, group: 4 }), { weight })))
})

it('warns when there are fewer tokens than columns', async () => {
  const warnings: string[] = []
  await applyMethod(gptq({ group: 8 }), {
    weight: randomRows(2, 8, 1),
    inputs: randomRows(3, 8, 2),
    onWarning: text => warnings.push(text),
  })
  expect(warnings).toEqual([
    'fewer calibration tokens than columns: rounding to nearest would do better. Give at least 4 a column, or use rtn.',
  ])
})

it('checks its options when it is made', () => {
  expect(() => gptq({ bits: 9 })).toThrow('gptq got bits = 9.\nPass an integer from 1 to 8: bits of a code.')
  expect(() => gptq({ damping: 0 })).toThrow('gptq got damping = 0.\nPass a number above 0')
  expect(() => gptq({ granularity: 'row', group: 8 })).toThrow(
    'gptq: group = 8 has no meaning when granularity is row.\nLeave one of the two out.',
  )
})
