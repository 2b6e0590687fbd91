import { makeStep } from '../methods.js'
import { familyOf, gridOf, type OwnResult } from './families.js'

const own = (trees: readonly string[], more: Partial<OwnResult> = {}): OwnResult => ({ trees, bitsPerWeight: 4.5, sparsity: 0, ...more })
const stepsOf = (result: OwnResult) => familyOf(result)?.rivals.map(({ steps }) => steps.join(' + '))

it('takes the grid whose codes and scales come closest, and what a step says of itself first', () => {
  expect(gridOf({ bitsPerWeight: 4.5 })).toEqual([4, 32]) // 4 + 16/32
  expect(gridOf({ bitsPerWeight: 3.25 })).toEqual([3, 64])
  expect(gridOf({ bitsPerWeight: 8.06 })).toEqual([8, 128])
  expect(gridOf({ bitsPerWeight: 4.1, bits: 3 })).toEqual([3, 16]) // 3 + 16/16 = 4
  expect(gridOf({ bitsPerWeight: 2.5, bits: 2, group: 48 })).toEqual([2, 48])
})

it('finds rivals by how weights are stored', () => {
  expect(stepsOf(own(['affine{data: u4, scale: f16}']))).toEqual([
    ...['rtn(bits=4, group=32)', 'hqq(bits=4, group=32)', 'nf4(block=32)', 'mxfp4()', 'gptq(bits=4, group=32)'],
    'awq() + rtn(bits=4, group=32)',
  ])
  const bare = 'bitmask{mask: u1, values: bf16}'
  expect(stepsOf(own([bare], { sparsity: 0.49987 }))).toEqual([
    'magnitude(sparsity=0.5)',
    'wanda(sparsity=0.5)',
    'sparse-gpt(sparsity=0.5)',
  ])
  const coded = 'bitmask{mask: u1, values: affine{data: u4, scale: f16}}'
  // a bit for the mask, and half of 4.25 bits
  expect(stepsOf(own([coded], { sparsity: 0.5, bitsPerWeight: 3.125 }))).toEqual([
    'magnitude(sparsity=0.5) + rtn(bits=4, group=64)',
    'wanda(sparsity=0.5) + gptq(bits=4, group=64)',
    'sparse-gpt(sparsity=0.5) + gptq(bits=4, group=64)',
  ])
  expect(stepsOf(own(['factored{u: f32, v: f32}'], { rank: 6 }))).toEqual(['svd(rank=6)'])
  expect(stepsOf(own(['bf16']))).toBeUndefined()
})

it('names only steps that there are', async () => {
  const families = ['affine{data: u4}', 'affine{data: u3}', 'bitmask{values: f32}', 'bitmask{values: affine{}}', 'factored{}']
  const rivals = families.flatMap(tree => familyOf(own([tree], { rank: 2, sparsity: 0.5 }))!.rivals)
  expect(rivals.length).toBeGreaterThan(10)
  for (const text of rivals.flatMap(({ steps }) => steps))
    await expect(makeStep(text, process.cwd())).resolves.toMatchObject({ name: expect.any(String) })
})
