import { outAxisOfEinsum } from './einsum.js'

it.each([
  ['bi,io->bo', 1],
  ['bi, oi -> bo', 0],
  ['...i,io->...o', 1],
  ['abci,oi->abco', 0],
  ['i,io->o', 1],
] as const)('sees a product of rows with a matrix: %s', (equation, axis) => expect(outAxisOfEinsum(equation)).toBe(axis))

it.each([
  'bi,io->ob', // its outputs come first
  'bi,bo->io', // sums over rows
  'bi,io->bi', // sums over outputs
  'bi,io', // says nothing of its result
  'bi,io,o->bo',
  'bii,io->bo',
  'bo,io->bo',
  'bi,bio->bo', // a matrix for each row
  'b...i,io->b...o',
  '->',
  '',
])('sees none: %s', equation => expect(outAxisOfEinsum(equation)).toBeUndefined())
