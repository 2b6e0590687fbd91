import { openTokenizer } from '@tersor/models/tokenizer'
import { byteTokenizerJson } from '../byte-tokenizer.fixture.js'
import { CHATS, IDS, TEMPLATES } from './chat-templates.fixture.js'
import { chatTemplate } from './chat-template.js'

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const specials = { bos_token: '<s>', eos_token: { content: '<s>' } }
const tokenizer = openTokenizer({ 'tokenizer.json': byteTokenizerJson() as Record<string, unknown> })

const cases = Object.keys(TEMPLATES).flatMap(shape => Object.keys(CHATS).map(chat => [shape, chat] as const))

it.each(cases)('gives the ids of apply_chat_template: %s, the %s chat', (shape, chat) => {
  const render = chatTemplate({
    'tokenizer_config.json': bytes({ ...specials, chat_template: TEMPLATES[shape as keyof typeof TEMPLATES] }),
  })!
  const text = render(CHATS[chat as keyof typeof CHATS], 'here')
  expect(tokenizer.encode(text, { specials: false })).toEqual(IDS[`${shape} ${chat}`])
})

it.each([
  ['of its own', { 'chat_template.jinja': bytes('{{ messages[0].content }}'), 'tokenizer_config.json': bytes({ chat_template: 'old' }) }],
  ['in JSON', { 'chat_template.json': bytes({ chat_template: '{{ messages[0].content }}' }) }],
  ['among named ones', { 'tokenizer_config.json': bytes({ chat_template: [{ name: 'tools', template: 'x' }, { name: 'default', template: '{{ messages[0].content }}' }] }) }], // prettier-ignore
])('takes the template from a file %s', (_where, files) => {
  expect(chatTemplate(files)!([{ role: 'user', content: 'hi' }], 'here')).toBe('hi')
})

it('takes special tokens from special_tokens_map.json too', () => {
  const files = { 'chat_template.jinja': bytes('{{ bos_token }}{{ eos_token }}'), 'special_tokens_map.json': bytes(specials) }
  expect(chatTemplate(files)!([], 'here')).toBe('<s><s>')
})

it('is not there where the model has none', () => {
  expect(chatTemplate({ 'tokenizer_config.json': bytes({}) })).toBeUndefined()
})

it.each([
  [{ 'chat_template.jinja': bytes('{% for x %}') }, 'BAD_FILE', "The model's chat template cannot be read: "],
  [
    { 'tokenizer_config.json': bytes('{') },
    'BAD_FILE',
    "tokenizer_config.json of the model is no JSON.\nTake the file of the model's own folder.",
  ],
])('refuses a damaged one', (files, code, message) => {
  expect(() => chatTemplate(files as Record<string, Uint8Array>)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(message) }),
  )
})

it('says what the template itself refuses, and where', () => {
  const render = chatTemplate({ 'chat_template.jinja': bytes(TEMPLATES.brackets), 'tokenizer_config.json': bytes(specials) })!
  expect(() => render([{ role: 'assistant', content: 'x' }], 'chat.jsonl, line 2')).toThrow(
    expect.objectContaining({
      code: 'BAD_DATA',
      message:
        "The model's chat template refuses chat.jsonl, line 2: Roles must alternate.\nChange the messages to what the template takes, such as turns of user and assistant, or leave this row out.",
    }),
  )
})
