import { didYouMean, nearestName, sameName } from './nearest.js'

const NAMES = ['gptq', 'sparse-gpt', 'snap-kv', 'rtn', 'Q4_K_M', 'q4_k']

it.each([
  ['sparseGpt', 'sparse-gpt'],
  ['SPARSE_GPT', 'sparse-gpt'],
  ['Q4_K', 'q4_k'],
  ['q4km', 'Q4_K_M'],
  ['gptq', 'gptq'],
  ['gptg', undefined],
])('takes %s for %s', (given, meant) => {
  expect(sameName(given, NAMES)).toBe(meant)
})

it('does not choose between names that differ in case alone', () => {
  expect(sameName('Q4_0', ['Q4_0', 'q4_0'])).toBe('Q4_0')
  expect(sameName('Q40', ['Q4_0', 'q4_0'])).toBeUndefined()
})

it.each([
  ['gptg', 'gptq'],
  ['sparsegtp', 'sparse-gpt'],
  ['snap', 'snap-kv'],
  ['rtm', 'rtn'],
  ['hello', undefined],
  ['', undefined],
])('finds near %j: %j', (given, near) => {
  expect(nearestName(given, NAMES)).toBe(near)
})

it('asks about what is near, or says nothing', () => {
  expect(didYouMean('gptg', NAMES)).toBe('Did you mean gptq? ')
  expect(didYouMean('hello', NAMES)).toBe('')
})
