import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import type { Terminal } from './output.js'
import { shortened, tableOf, inLines } from './table.js'

const terminalOf = (columns: number | undefined, colors = false): Terminal => ({
  out: Object.assign(new PassThrough(), columns === undefined ? {} : { columns }),
  err: new PassThrough(),
  ...{ json: false, quiet: false, debug: false, colors },
})

const HEAD = ['tensor', 'stored as', 'shape', 'bytes', 'bits/weight']
const ROWS = [
  ['model.layers.10.self_attn.q_proj.weight', 'masked', '2048 × 2048', '12.3 MB', '4.50'],
  [`model.${'deep.'.repeat(40)}weight`, 'bf16', '151936 × 2048', '622.3 MB', '16.00'],
]
const longest = (text: string): number => Math.max(...text.split('\n').map(line => stripVTControlCharacters(line).length))

it.each([60, 61, 72, 80, 100, 160])('never goes beyond %i columns, with colours and without', columns => {
  for (const colors of [false, true]) {
    const terminal = terminalOf(columns, colors)
    const painted = ROWS.map(([name, ...rest]) => [colors ? `\u001b[36m${name}\u001b[39m` : name, ...rest])
    const table = tableOf(terminal, HEAD, painted, [3, 4])
    expect(longest(table)).toBeLessThanOrEqual(columns)
    expect(table).toContain('622.3 MB') // numbers stay whole
    const many = ['name', ...Array.from({ length: 12 }, (_, i) => `measure ${i}`)]
    const numbers = [[ROWS[1][0], ...Array.from({ length: 12 }, () => '1234.5678')]]
    expect(longest(tableOf(terminal, many, numbers, [...many.keys()].slice(1)))).toBeLessThanOrEqual(columns)
    expect(longest(inLines(terminal, `${ROWS[1][0]} is stored as f16, since its numbers go beyond what it was`))).toBeLessThanOrEqual(
      columns,
    )
  }
})

it('is as wide as its texts where no terminal ends it', () => {
  expect(tableOf(terminalOf(undefined), HEAD, ROWS, [3, 4])).toContain(ROWS[1][0])
  expect(tableOf(terminalOf(undefined), ['a', 'b'], [['x', 1], ['long', 22]], [1])).toBe('a      b\nx      1\nlong  22') // prettier-ignore
})

it('stacks what no line can hold, each number with its name', () => {
  const head = ['model', ...Array.from({ length: 8 }, (_, i) => `measure ${i}`)]
  const text = tableOf(terminalOf(60), head, [['a', ...Array.from({ length: 8 }, (_, i) => `${i}`)]], [...head.keys()].slice(1))
  expect(text.split('\n')[0]).toBe('a')
  for (let i = 0; i < 8; i++) expect(text).toContain(`measure ${i} ${i}`)
})

it('keeps the beginning and the end of a name', () => {
  expect(shortened('model.layers.0.q_proj', 11)).toBe('model…_proj')
  expect(shortened('short', 11)).toBe('short')
})
