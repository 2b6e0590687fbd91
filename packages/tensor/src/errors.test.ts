import { CompressionError, oneLine, quoted } from './errors.js'

it('keeps its message at two lines, whatever a file calls its parts', () => {
  const error = new CompressionError('BAD_FILE', 'There is "a\nb\r\u001b[31mc\u2028d\u202ee".', 'Try\nanother.')
  expect(error.message).toBe('There is "a b [31mc d e".\nTry another.')
  expect(new CompressionError('BAD_FILE', 'x'.repeat(5000), 'y').message).toBe(`${'x'.repeat(2000)}…\ny`)
  expect(oneLine('ä\tö', 3)).toBe('ä ö')
})

it('shows any value of a file in a few letters', () => {
  let deep: unknown = 0
  for (let i = 0; i < 100_000; i++) deep = [deep]
  expect([quoted('a\nb'), quoted(3n), quoted(NaN), quoted(undefined)]).toEqual(['"a\\nb"', '3', 'NaN', 'undefined'])
  expect(quoted(deep)).toBe('a list that cannot be shown')
  expect(quoted({ n: 1n })).toBe('an object that cannot be shown')
  expect(quoted('x'.repeat(200))).toBe(`"${'x'.repeat(99)}…`)
})
