import { whyNoPattern } from './pattern-text.js'
import { matcher } from './patterns.js'

const NAMES = [
  'model.layers.0.mlp.up_proj',
  'model.layers.0.mlp.down_proj',
  'model.layers.1.self_attn.q_proj',
  'lm_head',
  '/net/Conv(1)',
  'a[0]',
]
const taken = (patterns: string | readonly string[], usual?: (name: string) => boolean) =>
  NAMES.filter(name => matcher(patterns)(name, usual?.(name))).map(name => NAMES.indexOf(name))

it.each([
  ['*', [0, 1, 2, 3, 4, 5]], // dots and slashes too
  ['*.mlp.*', [0, 1]],
  ['*.{up,q}_proj', [0, 2]],
  ['model.layers.?.*', [0, 1, 2]],
  ['model.layers.[1-9].*', [2]],
  [
    ['*.up_proj', 'lm_head'],
    [0, 3],
  ],
  [
    ['*_proj', '!*.mlp.down_proj'],
    [0, 2],
  ],
  ['!*_proj', [3, 4, 5]],
  ['/\\.(up|down)_proj$/', [0, 1]],
  ['/LM_/i', [3]],
  [
    ['*', '!/layers\\.0/'],
    [2, 3, 4, 5],
  ],
  ['/net/Conv(1)', [4]], // a name as it is
  ['a[0]', [5]],
  ['/net/*', [4]],
  ['up_proj', []],
])('%j takes what it says', (patterns, expected) => {
  expect(taken(patterns)).toEqual(expected)
})

it('leaves out of what is usual where all begin with !', () => {
  expect(taken(['!*.up_proj'], name => name !== 'lm_head')).toEqual([1, 2, 4, 5])
})

it.each([
  ['/(/', 'Invalid regular expression'],
  ['!', '"!" names nothing'],
  [['a', '/[/'], 'Invalid regular expression'],
])('cannot read %j', (patterns, why) => {
  expect(whyNoPattern(patterns)).toContain(why)
  expect(whyNoPattern('*')).toBeUndefined()
})
