import { withBeginning } from './tokenizer-config.js'

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))

const template = (id: string) => ({ type: 'TemplateProcessing', single: [{ SpecialToken: { id } }, { Sequence: { id: 'A' } }] })

const said = (processor: unknown, config: unknown): unknown => {
  const files = { 'tokenizer.json': bytes({ post_processor: processor }), 'tokenizer_config.json': bytes(config) }
  const written = withBeginning(files)
  if (written === files) return undefined
  expect(Object.keys(written)).toEqual(Object.keys(files))
  expect(written['tokenizer.json']).toBe(files['tokenizer.json'])
  return JSON.parse(new TextDecoder().decode(written['tokenizer_config.json']))
}

it.each([
  ['a template', template('<s>'), { bos_token: '<s>' }],
  ['a template among others', { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template('<s>')] }, { bos_token: '<s>' }],
  ['a token that is an object', template('<s>'), { bos_token: { content: '<s>' } }],
])('says that texts begin with a token: %s', (_, processor, config) => {
  expect(said(processor, config)).toEqual({ ...config, add_bos_token: true })
})

it.each([
  ['no template', null, { bos_token: '<s>' }],
  ['a template that begins with the text', { ...template('<s>'), single: [{ Sequence: { id: 'A' } }] }, { bos_token: '<s>' }],
  ['another token than the one that begins', template('[CLS]'), { bos_token: '<s>' }],
  ['a config that says so itself', template('<s>'), { bos_token: '<s>', add_bos_token: false }],
  ['a config without such a token', template('<s>'), {}],
  ['a config that is no JSON', template('<s>'), '{'],
  ['processors that are no list', { type: 'Sequence', processors: 3 }, { bos_token: '<s>' }],
  [
    'processors that are nothing',
    { type: 'Sequence', processors: [null, 4, { type: 'TemplateProcessing', single: {} }] },
    { bos_token: '<s>' },
  ],
  ['more nesting than any tokenizer has', JSON.parse('[{"processors":'.repeat(50) + '0' + '}]'.repeat(50)), { bos_token: '<s>' }],
])('leaves the files as they are: %s', (_, processor, config) => {
  expect(said(processor, config)).toBeUndefined()
})

it('leaves a folder without a tokenizer alone', () => {
  const files = { 'license.txt': bytes('free') }
  expect(withBeginning(files)).toBe(files)
})
