import {
  boolean,
  callText,
  checkOptions,
  choice,
  fraction,
  integer,
  nOfM,
  number,
  numbers,
  optional,
  positive,
  recorded,
  required,
  text,
  value,
  values,
  type Made,
} from './options.js'

const table = {
  sparsity: fraction({ default: 0.5, doc: 'fraction removed' }),
  keep: fraction({ default: 1, inclusive: true, doc: 'fraction kept' }),
  bits: required(integer({ min: 1, max: 8, doc: 'bits of a code' })),
  damping: positive({ default: 0.01, doc: 'added to the diagonal' }),
  within: choice(['row', 'layer'], { default: 'row', doc: 'what is compared' }),
  symmetric: boolean({ default: true, doc: 'whether zero is in the middle' }),
  pattern: optional(nOfM({ doc: 'kept neighbours' })),
  only: optional(text({ doc: 'names' })),
}
const check = (given: Record<string, unknown>) => checkOptions('method', table, { bits: 4, ...given })

it('fills in defaults and leaves out what is not set', () => {
  expect(recorded(check({}))).toEqual({ sparsity: 0.5, keep: 1, bits: 4, damping: 0.01, within: 'row', symmetric: true })
  expect(check({ pattern: '2:4' }).pattern).toBe('2:4')
})

it.each([
  [{ sparsity: 1 }, 'method got sparsity = 1.\nPass at least 0, below 1: fraction removed.'],
  [{ sparsity: '0.5' }, 'method got sparsity = "0.5".\n'],
  [{ keep: 1.1 }, 'method got keep = 1.1.\nPass 0 to 1: fraction kept.'],
  [{ bits: 0 }, 'method got bits = 0.\nPass an integer from 1 to 8: bits of a code.'],
  [{ bits: 2.5 }, 'method got bits = 2.5.\n'],
  [{ bits: undefined }, 'method needs the option "bits".\nPass bits: an integer from 1 to 8 (bits of a code).'],
  [{ damping: 0 }, 'method got damping = 0.\nPass a number above 0: added to the diagonal.'],
  [{ damping: Infinity }, 'method got damping = null.\n'],
  [{ within: 'column' }, 'method got within = "column".\nPass row | layer: what is compared.'],
  [{ symmetric: 1 }, 'method got symmetric = 1.\nPass true | false: whether zero is in the middle.'],
  [{ pattern: '4:4' }, 'method got pattern = "4:4".\nPass N:M, such as 2:4: kept neighbours.'],
  [{ only: '' }, 'method got only = "".\nPass text: names.'],
  [{ bit: 4 }, 'method has no option "bit".\nIts options are sparsity (at least 0, below 1), keep'],
])('refuses %p', (given, message) => {
  expect(() => check(given)).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(message) }))
})

it('says where a method has no options at all', () => {
  expect(() => checkOptions('plain', {}, { x: 1 })).toThrow('plain has no option "x".\nIts options are none.')
})

describe('options that hold values', () => {
  const isLoss = (given: object): boolean => 'loss' in given
  const table = {
    objective: value<Made>({ of: 'loss', is: isLoss, doc: 'what is made small' }),
    also: values<Made>({ of: 'loss', is: isLoss, doc: 'others' }),
    weights: numbers({ doc: 'of each' }),
    share: number({ min: 0.5, max: 2, default: 1, doc: 'of the first' }),
  }
  const made = (name: string, options = {}): Made => ({ name, options, loss: 1 }) as Made

  it('records them by name and options, and writes them as calls', () => {
    const inner = made('inner', { of: 2 })
    const given = checkOptions('train', table, {
      objective: made('outer', { inner: { name: 'inner', options: { of: 2 } } }),
      also: [inner],
      weights: [1, 2],
    })
    expect(recorded(given)).toEqual({
      objective: { name: 'outer', options: { inner: { name: 'inner', options: { of: 2 } } } },
      also: [{ name: 'inner', options: { of: 2 } }],
      weights: [1, 2],
      share: 1,
    })
    expect(callText({ name: 'train', options: recorded(given) })).toBe(
      'train(objective=outer(inner=inner(of=2)), also=[inner(of=2)], weights=[1, 2], share=1)',
    )
  })

  it.each([
    [{ objective: { name: 'rtn' } }, 'train got objective = rtn.\nPass a loss: what is made small.'],
    [{ objective: 'mse' }, 'train got objective = "mse".\n'],
    [{ also: [] }, 'train got also = [].\nPass a list of losses: others.'],
    [{ weights: [1, NaN] }, 'train got weights = [1,null].\nPass a list of numbers: of each.'],
    [{ share: 3 }, 'train got share = 3.\nPass a number from 0.5 to 2: of the first.'],
  ])('refuses %j', (given, message) => {
    expect(() => checkOptions('train', table, given)).toThrow(expect.objectContaining({ message: expect.stringContaining(message) }))
  })
})
