import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parquetRows } from './parquet.js'
import { PARQUET } from './parquet.fixture.js'
import { readTexts } from './read-texts.js'
import { FIELDS } from './rows.js'
import { firstIn, shownText } from './shown-text.js'

let folder = ''
const at = (name: string): string => join(folder, name)
const write = async (name: string, content: string | Uint8Array): Promise<string> => {
  await writeFile(at(name), content)
  return at(name)
}
const template = { 'chat_template.jinja': new TextEncoder().encode('{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}') }
const texts = async (...given: string[]): Promise<readonly string[]> =>
  (await readTexts(given, { files: template })).texts.map(({ text, specials }) => `${specials ? '' : '#'}${text}`)

const CHAT = [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }] // prettier-ignore
const lines = (...rows: unknown[]): string => `${rows.map(row => JSON.stringify(row)).join('\n')}\n\n`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-texts-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
  ['a.txt', 'one\n<|endoftext|>\ntwo\n', ['one', 'two']],
  ['a.py', 'print(1)\n', ['print(1)']],
  ['a.jsonl', lines({ text: 'one', id: 1 }, { text: ' ' }, 'two'), ['one', 'two']],
  ['b.jsonl', lines({ messages: CHAT, prompt: 'x' }), ['#<user>a<assistant>b']],
  ['c.ndjson', lines({ prompt: 'one ', completion: 'two' }), ['one two']],
  ['d.jsonl', lines({ prompt: [CHAT[0]], completion: [CHAT[1]] }), ['#<user>a<assistant>b']],
  ['a.json', JSON.stringify(['one', { text: 'two' }, { messages: CHAT }]), ['one', 'two', '#<user>a<assistant>b']],
])('reads %s', async (name, content, expected) => {
  expect(await texts(await write(name, content))).toEqual(expected)
})

it.each([
  ['texts', ['the old man', 'and the sea']],
  ['chats', ['#<user>Who?<assistant>The old man.', '#<user>Where?<assistant>At sea.']],
] as const)('reads %s from Parquet', async (name, expected) => {
  expect(await texts(await write(`${name}.parquet`, Buffer.from(PARQUET[name], 'base64')))).toEqual(expected)
})

it('reads what is zipped', async () => {
  expect(await texts(await write('z.jsonl.gz', gzipSync(lines({ text: 'one' }))))).toEqual(['one'])
  expect(await texts(await write('z.txt.gz', gzipSync('two')))).toEqual(['two'])
})

it('reads several files, folders and patterns, each file once', async () => {
  await mkdir(at('many/deep'), { recursive: true })
  for (const name of ['many/b.txt', 'many/a.md', 'many/deep/c.txt', 'many/d.bin']) await write(name, name)
  expect(await texts(at('many'))).toEqual(['many/a.md', 'many/b.txt', 'many/deep/c.txt'])
  expect(await texts(`${folder}/many/*.{txt,md}`)).toEqual(['many/a.md', 'many/b.txt'])
  expect(await texts(at('many/b.txt'), `${folder}/many/**/*.txt`)).toEqual(['many/b.txt', 'many/deep/c.txt'])
  const odd = await write('[odd].txt', 'odd') // a path that exists is no pattern
  expect(await texts(odd)).toEqual(['odd'])
})

it('draws the order by the seed', async () => {
  const file = await write('order.jsonl', lines(...Array.from({ length: 20 }, (_, i) => ({ text: `${i}` }))))
  const drawn = async (seed: number) => (await readTexts([file], { shuffle: true, seed })).texts.map(({ text }) => Number(text))
  const [first, again, other] = [await drawn(1), await drawn(1), await drawn(2)]
  expect(again).toEqual(first)
  expect(other).not.toEqual(first)
  expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
})

it('counts what it read, and shows the first of it', async () => {
  const one = await readTexts([await write('one.txt', 'the  old\nman')], {})
  expect(one).toMatchObject({ counted: '1 document', first: '"the old man"', files: [at('one.txt')] })
  expect((await readTexts([await write('c.jsonl', lines({ messages: CHAT }, { messages: CHAT }))], { files: template })).counted).toBe(
    '2 chats',
  )
  expect((await readTexts([await write('m.jsonl', lines({ messages: CHAT }, { text: 'x' }))], { files: template })).counted).toBe('2 rows')
})

it('fits the line into the width, and puts the text below where there is no room', () => {
  const text = shownText('a'.repeat(500))
  expect(firstIn('calibration: 3 tokens', text, 60)).toHaveLength(60)
  expect(firstIn('calibration: 3 tokens', 'short', 60)).toBe('calibration: 3 tokens: short')
  expect(firstIn('x'.repeat(50), text, 60).split('\n').map(line => line.length)).toEqual([50, 60]) // prettier-ignore
  expect(firstIn('x', undefined, 60)).toBe('x')
})

it('takes runs of rows of a long Parquet file', async () => {
  const path = await write('long.parquet', Buffer.from(PARQUET.texts, 'base64'))
  const few = await parquetRows(path, FIELDS, 2)
  expect(few).toMatchObject({ of: 3, rows: [{ number: 1 }, { number: 3, value: { text: 'and the sea' } }] })
})

it.each([
  ['config.json', '{"model_type": "llama"}', 'holds one JSON object, as settings do, not texts.\nPass .txt, .jsonl or .parquet'],
  ['tersor.config.ts', 'export default 1', 'holds settings, not texts.'],
  ['recipe.yaml', 'a: 1', 'holds settings, not texts.'],
  ['weights.bin', Uint8Array.of(0, 1, 2, 255), 'is no text: its bytes are not those of UTF-8.'],
  ['binary.jsonl', Uint8Array.of(0x7b, 0, 255), 'is no text: its bytes are not those of UTF-8.'],
  ['lines.txt', '{"text": "a"}\n{"text": "b"}', 'holds an object of JSON a line, not text.\nCall it NAME.jsonl for the command line,'],
  ['broken.jsonl', '{"text": "a"}\n{"text', 'has a line 2 that is no JSON: '],
  ['empty.jsonl', '\n', 'holds no rows.\nPass a file with texts in it.'],
  ['empty.txt', ' ', 'holds no text.'],
  ['empty.json', '[]', 'holds no rows.'],
  ['broken.gz', 'no', 'cannot be unzipped: '],
  ['broken.parquet', 'PAR1 nothing PAR1', 'is no Parquet file that can be read: '],
  [
    'nested.parquet',
    Buffer.from(PARQUET.nested, 'base64'),
    'holds structures in its column "text", not texts.\nWrite the texts into a column of their own.',
  ],
  [
    'others.parquet',
    Buffer.from(PARQUET.others, 'base64'),
    'has the columns question, answer.\nName a column "text" or "messages", or two "prompt" and "completion".',
  ],
])('refuses %s', async (name, content, what) => {
  const path = await write(name, content)
  await expect(readTexts([path], {})).rejects.toMatchObject({ code: 'BAD_DATA', message: expect.stringContaining(`${path} ${what}`) })
})

it.each([
  [
    { question: 'a', answer: 'b' },
    ', line 1, has the fields "question", "answer".\nRows have "text", or "messages" with "role" and "content", or "prompt" and "completion".',
  ],
  [3, ', line 1, is neither a text nor an object with fields.\nWrite {"text": "…"} a row.'],
  [{}, ', line 1, has no field.'],
  [{ text: ['a'] }, ', line 1, has "text" of another kind.\nGive texts, or lists of {"role", "content"}.'],
  [{ messages: [{ content: 'a' }] }, ', line 1, has "messages" of another kind.'],
  [
    { messages: CHAT },
    ', line 1, is a chat, and the model has no chat template.\nPut chat_template.jinja into its folder, or pass rows with "text".',
  ],
  [{ text: ' ' }, ' holds no text.'],
])('refuses the row %j', async (row, what) => {
  const path = await write('rows.jsonl', lines(row))
  await expect(readTexts([path], {})).rejects.toMatchObject({ code: 'BAD_DATA', message: expect.stringContaining(`rows.jsonl${what}`) })
})

it('says where nothing is', async () => {
  await expect(readTexts([at('absent.txt')], {})).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `There is nothing at ${at('absent.txt')}.\nCheck the path.`,
  })
  await expect(readTexts([at('*.absent')], {})).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining(`No file matches ${at('*.absent')}.\nCheck the pattern: `),
  })
  await mkdir(at('bare'))
  await expect(readTexts([at('bare')], {})).rejects.toMatchObject({
    code: 'BAD_DATA',
    message: expect.stringContaining('bare holds no file of text.\nSuch files end in .jsonl'),
  })
})
