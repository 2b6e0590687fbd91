import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { selectEngine } from '@tersor/kernels'
import { listen } from './listen.js'
import type { LanguageModel } from '@tersor/models'
import { openServed, type ServedModel, type ServedModels } from './served-models.js'
import { serverApp } from './server-app.js'

const BUNDLED = join(__dirname, '../../../../examples/bundled-model/model')

let folder = ''
let models: ServedModels
let address = ''
let ended: Promise<void>
const stopping = new AbortController()

beforeAll(async () => {
  await selectEngine()
  folder = await mkdtemp(join(tmpdir(), 'tersor-serve-'))
  await writeFile(join(folder, 'index.html'), '<!doctype html><html lang="en"><p>page</p></html>')
  models = await openServed([BUNDLED, BUNDLED])
  address = await new Promise<string>(resolve => {
    const { signal } = stopping
    const app = serverApp({ models, host: '127.0.0.1', page: folder, signal })
    ended = listen(app, { port: 0, host: '127.0.0.1', signal }, resolve)
  })
})
afterAll(async () => {
  stopping.abort()
  await ended
  await models.close()
  await rm(folder, { recursive: true })
})

const post = (path: string, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(`${address}v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...init })
const CHAT = { model: 'model', messages: [{ role: 'user', content: 'The king of' }], temperature: 0, max_tokens: 6 }
const TEXT = { model: 'model', prompt: 'The king of', temperature: 0, max_tokens: 6 }

interface Answer {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string }[]
  readonly usage: object
}
const textOf = async (body: object): Promise<string> => ((await (await post('completions', body)).json()) as Answer).choices[0].text

it('lists the models, each under a name of its own', async () => {
  expect(await (await fetch(`${address}v1/models`)).json()).toEqual({
    object: 'list',
    data: ['model', 'model-2'].map(id => ({ id, object: 'model', created: 0, owned_by: 'tersor' })),
  })
})

it('answers in the forms of the API, the same text whole and in pieces', async () => {
  const whole = (await (await post('chat/completions', CHAT)).json()) as Record<string, unknown>
  const message = { role: 'assistant', content: expect.any(String), refusal: null }
  expect(whole).toEqual({
    ...{ id: expect.stringMatching(/^chatcmpl-\d+$/), object: 'chat.completion', created: expect.any(Number), model: 'model' },
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'length' }],
    usage: { prompt_tokens: expect.any(Number), completion_tokens: 6, total_tokens: expect.any(Number) },
  })
  const response = await post('chat/completions', { ...CHAT, stream: true, stream_options: { include_usage: true } })
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const events = (await response.text()).trim().split('\n\n').map(event => event.replace(/^data: /, '')) // prettier-ignore
  expect(events.at(-1)).toBe('[DONE]')
  const chunks = events.slice(0, -1).map(event => JSON.parse(event) as { choices: { delta: { content?: string }; finish_reason: string }[] }) // prettier-ignore
  expect(chunks[0]).toMatchObject({ object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant' }, finish_reason: null }] })
  expect(chunks.at(-2)).toMatchObject({ choices: [{ delta: {}, finish_reason: 'length' }] })
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } })
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
  expect((whole.choices as { message: { content: string } }[])[0].message.content).toBe(text)
  expect(text.length).toBeGreaterThan(6)
})

it('answers the client of OpenAI, in pieces too', async () => {
  const client = new OpenAI({ baseURL: `${address}v1`, apiKey: 'none', maxRetries: 0 })
  const { choices } = await client.completions.create(TEXT)
  expect(choices[0].text).toBe(await textOf(TEXT))
  let text = ''
  for await (const chunk of await client.chat.completions.create({ ...CHAT, stream: true } as never) as unknown as AsyncIterable<{ choices: { delta: { content?: string } }[] }>) text += chunk.choices[0].delta.content ?? '' // prettier-ignore
  expect(text.length).toBeGreaterThan(6)
  await expect(client.completions.create({ ...TEXT, model: 'gpt-4' })).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
})

it('stops before a stop, and draws the same by the same seed', async () => {
  const all = await textOf({ ...TEXT, max_tokens: 12 })
  const stop = all.slice(5, 8)
  const answer = (await (await post('completions', { ...TEXT, max_tokens: 12, stop })).json()) as Answer
  expect(answer.choices[0]).toMatchObject({ text: all.slice(0, all.indexOf(stop)), finish_reason: 'stop' })
  const drawn = { ...TEXT, temperature: 1.5 }
  expect(await textOf({ ...drawn, seed: 1 })).toBe(await textOf({ ...drawn, seed: 1 }))
  expect(await textOf({ ...drawn, seed: 1 })).not.toBe(await textOf({ ...drawn, seed: 2 }))
})

it('says what is wrong with a request, and with which field', async () => {
  const wrong = async (path: string, body: unknown, init: RequestInit = {}) => {
    const response = await post(path, body, init)
    const { error } = (await response.json()) as { error: { message: string; param: string | null } }
    return [response.status, error.param, error.message]
  }
  expect(await wrong('completions', { ...TEXT, model: 'x' })).toEqual([404, 'model', 'There is no model "x"; there is model, model-2.'])
  expect(await wrong('completions', { ...TEXT, temperature: 3 })).toEqual([400, 'temperature', 'temperature is 3; it must be a number from 0 to 2.']) // prettier-ignore
  expect(await wrong('completions', { ...TEXT, top_p: 0.5 })).toEqual([400, 'top_p', 'top_p is not built here; leave it out.'])
  expect(await wrong('completions', { ...TEXT, tools: [{}] })).toEqual([400, 'tools', 'tools is not built here; leave it out.'])
  expect(await wrong('completions', { ...TEXT, stop: 3 })).toEqual([400, 'stop', 'stop is 3; it must be a text or up to 4.'])
  expect(await wrong('completions', { ...TEXT, prompt: 3 })).toEqual([400, 'prompt', 'prompt must be a text.'])
  expect(await wrong('chat/completions', { ...CHAT, messages: [] })).toEqual([400, 'messages', 'messages must be a list of at least one message.']) // prettier-ignore
  expect(await wrong('chat/completions', { ...CHAT, messages: [{ role: 'user' }] })).toEqual([400, 'messages', 'messages[0] must have a role and a content of text.']) // prettier-ignore
  expect(await wrong('completions', [])).toEqual([400, null, 'The body must be a JSON object.'])
  expect(await wrong('completions', TEXT, { body: '{' })).toEqual([400, null, 'The body is no JSON.'])
  expect(await wrong('completions', TEXT, { headers: { 'content-type': 'text/plain' } })).toEqual([400, null, 'The content-type must be application/json.']) // prettier-ignore
  expect(await wrong('completions', { ...TEXT, prompt: 'word '.repeat(4000) })).toEqual([400, null, expect.stringMatching(/^The prompt has \d+ tokens, which leaves no room .* Shorten it/)]) // prettier-ignore
})

it('ends an answer when the client goes, and answers the next', async () => {
  const [served] = models.list
  let decoded = 0
  const slow = (ids: readonly number[]): string => {
    decoded++
    for (const until = performance.now() + 10; performance.now() < until;); // a model that takes its time
    return served.text.tokenizer.decode(ids)
  }
  const tokenizer = { ...served.text.tokenizer, decode: slow }
  const model = { ...served.model, tokenizer, config: { ...(served.model as LanguageModel).config, eos: [] } } as ServedModel['model']
  const { signal } = stopping
  const app = serverApp({ models: { ...models, list: [{ ...served, model }] }, host: '127.0.0.1', page: folder, signal })
  const at = await new Promise<string>(resolve => void listen(app, { port: 0, host: '127.0.0.1', signal }, resolve))
  const client = new AbortController()
  const ask = (body: object, init: RequestInit = {}) =>
    fetch(`${at}v1/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), ...init })
  const response = await ask({ ...TEXT, max_tokens: 100, stream: true, temperature: 1 }, { signal: client.signal })
  await response.body!.getReader().read()
  client.abort()
  const next = (await (await ask({ ...TEXT, max_tokens: 1 })).json()) as Answer
  expect(next.choices[0].finish_reason).toBe('length')
  expect(decoded).toBeLessThan(100)
})

it('serves the page with the sign that a server stands behind it, and nothing beside it', async () => {
  const page = await fetch(address)
  expect(await page.text()).toBe('<!doctype html><html data-server lang="en"><p>page</p></html>')
  expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin')
  expect((await fetch(`${address}..%2f..%2fetc/passwd`)).status).toBe(404)
  expect((await fetch(`${address}none.js`)).status).toBe(404)
})

it('answers no page of another name', async () => {
  const app = serverApp({ models, host: '127.0.0.1', page: folder, signal: stopping.signal })
  expect((await app.request('http://evil.example/v1/models')).status).toBe(403)
  expect((await app.request('http://localhost:1234/v1/models')).status).toBe(200)
})

it('says in two lines that a port is in use, and where it cannot listen', async () => {
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as AddressInfo
  const app = serverApp({ models, host: '127.0.0.1', page: folder, signal: stopping.signal })
  const tried = (place: { port: number; host: string }) =>
    listen(app, { ...place, signal: stopping.signal }, () => {}).catch((error: { code: string; message: string }) => `${error.code}: ${error.message}`) // prettier-ignore
  expect(await tried({ port, host: '127.0.0.1' })).toBe(
    `IN_USE: Port ${port} is in use.\nPass another one with --port, or --port 0 for any that is free.`,
  )
  expect(await tried({ port: 0, host: '192.0.2.1' })).toMatch(/^BAD_OPTION: Nobody can listen at 192\.0\.2\.1: .+\nLeave --host out/)
  other.close()
})

it('refuses a model that continues no text', async () => {
  await expect(openServed([join(folder, 'none')])).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
