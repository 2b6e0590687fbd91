import '@tensorflow/tfjs-backend-cpu'
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { json, run } from '../command.fixture.js'
import { scene } from '../scene.fixture.js'
import { compressModel } from '../programs.js'
import { readRecipe } from '../recipe.js'
import { filesOfModel } from './files-of-model.js'
import { parseHubName } from './hub-name.js'
import { hubSettings } from './hub-settings.js'
import { localCopy } from './local-copy.js'
import { pushName } from './push.js'
import { COMMIT, smallHub, type SmallHub } from './small-hub.fixture.js'

const { at, fresh } = scene({ layers: 1 })
const before = { ...process.env }
let hub: SmallHub
let place = 0

beforeAll(async () => {
  const files = await Promise.all((await readdir(at.model)).map(async name => [name, await readFile(join(at.model, name))] as const))
  const model = Object.fromEntries(files.filter(([name]) => !name.startsWith('.')))
  hub = await smallHub({
    'models/org/pico': { ...model, 'pytorch_model.bin': Buffer.alloc(9), '.gitattributes': Buffer.from('x') },
    'models/org/weights': { 'a.gguf': Buffer.alloc(5), 'b.gguf': Buffer.alloc(5) },
    'datasets/org/texts': { 'part/text.txt': await readFile(at.text), 'README.md': Buffer.from('texts') },
  })
})
afterAll(() => hub.close())
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(name)) delete process.env[name]
  Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: fresh(`home-${place++}`) })
  hub.asked.length = 0
  hub.tokens.clear()
  hub.trouble.length = 0
})
afterEach(() => {
  for (const name of Object.keys(process.env)) if (/^(HF_|HUGGING)/.test(name)) delete process.env[name]
  for (const [name, value] of Object.entries(before)) if (/^(HF_|HUGGING)/.test(name)) process.env[name] = value
})

const copy = (name: string) => localCopy(name, { signal: new AbortController().signal, onProgress: () => {} })
const refusal = (name: string) => copy(name).then(() => undefined, (error: { code: string; message: string }) => [error.code, ...error.message.split('\n')] as const) // prettier-ignore
const WEIGHTS = /model\.safetensors/

describe('a name', () => {
  it('says a model, a data set, a revision and a file', () => {
    expect(parseHubName('hf:org/name')).toEqual({ type: 'model', name: 'org/name', revision: 'main' })
    expect(parseHubName('hf:org/name@v1.0/onnx/model.onnx')).toEqual({
      type: 'model',
      name: 'org/name',
      revision: 'v1.0',
      file: 'onnx/model.onnx',
    })
    expect(parseHubName('hf:datasets/org/texts/a.txt')).toEqual({ type: 'dataset', name: 'org/texts', revision: 'main', file: 'a.txt' })
    expect(parseHubName('hf:org/name@refs%2Fpr%2F1').revision).toBe('refs/pr/1')
    expect(pushName('hf:org/name')).toBe('org/name')
  })

  it.each(['hf:name', 'hf:org/name/../../etc/passwd', 'hf:', 'hf:org/name//x', 'hf:org/ name'])('is refused: %s', text => {
    expect(() => parseHubName(text)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  })

  it('brings the weights that are read best and what stands beside them', () => {
    const names = ['config.json', 'model.safetensors', 'pytorch_model.bin', 'onnx/model.onnx', 'tokenizer.json', 'x/y.json']
    expect(filesOfModel('org/name', names)).toEqual(['model.safetensors', 'config.json', 'tokenizer.json'])
    expect(() => filesOfModel('org/name', ['model.bin'])).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })
})

it('reads the settings that users have', async () => {
  const home = fresh('settings')
  await mkdir(home)
  await writeFile(join(home, 'token'), 'hf_stored\n')
  expect(await hubSettings({ HF_HOME: home })).toEqual({
    endpoint: 'https://huggingface.co',
    cache: join(home, 'hub'),
    offline: false,
    token: 'hf_stored',
  })
  expect(await hubSettings({ HF_HOME: home, HF_TOKEN: 'hf_mine', HF_HUB_CACHE: '/c', HF_HUB_OFFLINE: '1', HF_ENDPOINT: 'http://x/' })).toEqual({ endpoint: 'http://x', cache: '/c', offline: true, token: 'hf_mine' }) // prettier-ignore
  expect(await hubSettings({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).not.toHaveProperty('token')
})

it('brings a model into the cache as the hub lays it out, once, with the token', async () => {
  process.env.HF_TOKEN = 'hf_mine'
  const path = await copy('hf:org/pico')
  const folder = join(process.env.HF_HOME!, 'hub/models--org--pico')
  expect(path).toBe(join(folder, 'snapshots', COMMIT))
  expect((await readdir(path)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
  expect(await readlink(join(path, 'config.json'))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/)
  expect(await readFile(join(folder, 'refs/main'), 'utf8')).toBe(COMMIT)
  expect(await readFile(join(path, 'model.safetensors'))).toEqual(await readFile(join(at.model, 'model.safetensors')))
  expect([...hub.tokens]).toEqual(['Bearer hf_mine'])
  hub.asked.length = 0
  await copy('hf:org/pico')
  expect(hub.asked.filter(each => each.includes('/resolve/'))).toEqual([])
  process.env.HF_HUB_OFFLINE = '1'
  hub.asked.length = 0
  expect(await copy('hf:org/pico')).toBe(path)
  expect(await copy(`hf:org/pico@${COMMIT}/config.json`)).toBe(join(path, 'config.json'))
  expect(hub.asked).toEqual([])
  expect(await refusal('hf:org/other')).toEqual([
    'NOT_FOUND',
    expect.stringContaining('is not in the cache'),
    expect.stringContaining('Unset'),
  ])
})

it('goes on where a file broke off, and throws away what is not what the hub says', async () => {
  const half = { match: WEIGHTS, times: 1, answer: (response: any, body: Buffer) => (response.writeHead(200, { 'Content-Length': body.length }), response.write(body.subarray(0, 5000), () => setTimeout(() => response.destroy(), 50))) } // prettier-ignore
  hub.trouble.push(half)
  const path = await copy('hf:org/pico')
  expect(await readFile(join(path, 'model.safetensors'))).toEqual(await readFile(join(at.model, 'model.safetensors')))
  expect(hub.asked.some(each => / bytes=\d+-$/.test(each))).toBe(true)
  process.env.HF_HOME = fresh(`home-${place++}`)
  half.times = 9
  hub.trouble[0].answer = response => response.destroy()
  expect(await refusal('hf:org/pico')).toEqual(['NETWORK', expect.any(String), expect.any(String)])
  process.env.HF_HOME = fresh(`home-${place++}`)
  hub.trouble[0] = { match: WEIGHTS, times: 1, answer: (response, body) => response.end(Buffer.alloc(body.length)) }
  expect(await refusal('hf:org/pico')).toEqual(['BAD_FILE', expect.stringContaining('model.safetensors came with other bytes'), expect.stringContaining('thrown away')]) // prettier-ignore
  const blobs = await readdir(join(process.env.HF_HOME!, 'hub/models--org--pico/blobs'))
  expect(blobs.filter(name => name.endsWith('.incomplete'))).toEqual([])
  await copy('hf:org/pico') // and comes right the next time
})

it.each([
  [401, 'NETWORK', 'asks who you are (401).', 'Set HF_TOKEN'],
  [403, 'NETWORK', 'does not let you in (403).', 'Ask for access'],
  [404, 'NOT_FOUND', 'is not on the hub (404).', 'Check the name'],
  [429, 'NETWORK', 'was asked for too often (429).', 'Wait some minutes'],
  [500, 'NETWORK', 'was answered with status 500 (500).', 'Try again later'],
])('says what %i means, and what to do', async (status, code, what, remedy) => {
  hub.trouble.push({
    match: /\/api\/models/,
    times: 9,
    answer: response => (response.writeHead(status, { 'Retry-After': '0' }), response.end()),
  })
  expect(await refusal('hf:org/pico')).toEqual([code, expect.stringContaining(what), expect.stringContaining(remedy)])
  expect(await refusal('hf:org/pico')).toBeDefined()
})

it('waits where it is asked to, and says where nothing answers', async () => {
  hub.trouble.push({
    match: /\/api\/models/,
    times: 2,
    answer: response => (response.writeHead(429, { 'Retry-After': '0' }), response.end()),
  })
  await copy('hf:org/pico')
  process.env.HF_ENDPOINT = 'http://127.0.0.1:9'
  expect(await refusal('hf:org/pico')).toEqual([
    'NETWORK',
    expect.stringContaining('cannot be reached'),
    expect.stringContaining('HF_ENDPOINT'),
  ])
})

it('says which files there are', async () => {
  expect(await refusal('hf:org/pico/no.json')).toEqual(['NOT_FOUND', 'org/pico has no no.json.', expect.stringContaining('config.json')])
  expect(await refusal('hf:org/weights')).toEqual([
    'UNSUPPORTED',
    expect.stringContaining('2 files of weights'),
    'Name one of them: hf:org/weights/a.gguf',
  ])
  expect(await refusal('hf:datasets/org/texts')).toEqual(['BAD_OPTION', expect.any(String), expect.stringContaining('part/text.txt')])
  expect(await refusal('hf:org/none')).toEqual(['NOT_FOUND', expect.any(String), expect.any(String)])
})

it('compresses what is named on the hub, says so in recipe and card, and makes it again', async () => {
  const out = fresh('from-hub')
  const data = 'hf:datasets/org/texts/part/text.txt'
  await json('compress', 'hf:org/pico', '--out', out, '--step', 'gptq(bits=4, group=8)', '--calibrate', data)
  expect(await readRecipe(out)).toMatchObject({ model: 'hf:org/pico', calibrate: [data] })
  const card = await readFile(join(out, 'README.md'), 'utf8')
  expect(card).toMatch(/^---\nbase_model: org\/pico\nbase_model_relation: quantized\nlibrary_name: tersor\n/)
  expect(card).toContain(`tersor compress hf:org/pico --out OUT --step "gptq(bits=4, group=8)" --calibrate ${data}`)
  expect(await json('repeat', out)).toMatchObject({ same: true })
  expect((await json('inspect', 'hf:org/pico')).architecture).toBe('llama')
  await compressModel({ model: 'hf:org/pico', out: fresh('by-program'), steps: 'rtn(group=8)', quality: false })
  expect((await readRecipe(fresh('by-program')))!.model).toBe('hf:org/pico')
  const { code, err } = await run(['inspect', 'hf:org/none', '--quiet'])
  expect([code, err.split('\n').length]).toEqual([1, 3])
})

it('pushes what it made, with its card, and asks for a token before anything is done', async () => {
  const argv = ['compress', at.model, '--step', 'rtn(group=8)', '--push', 'me/small', '--quiet', '--out']
  expect(await run([...argv, fresh('unpushed')])).toMatchObject({ code: 2, err: expect.stringContaining('--push needs a token') })
  expect(await readdir(at.folder)).not.toContain('unpushed')
  process.env.HF_TOKEN = 'hf_mine'
  expect((await run(['compress', at.model, '--step', 'rtn', '--push', 'small', '--quiet', '--out', fresh('unpushed')])).err).toContain(
    'is no name on the hub',
  )
  expect(await run([...argv, fresh('pushed')])).toMatchObject({ code: 0, err: '' })
  expect([...hub.pushed.keys()].sort()).toEqual(['README.md', 'config.json', 'model.safetensors', 'tersor.recipe.json', 'tokenizer.json'])
  expect(hub.pushed.get('README.md')).toBe(await readFile(join(fresh('pushed'), 'README.md'), 'utf8'))
  hub.trouble.push({ match: /POST/, times: 9, answer: response => (response.writeHead(403), response.end()) })
  const { code, err } = await run([...argv, fresh('pushed-again')])
  expect([code, err]).toEqual([1, expect.stringContaining('error NETWORK me/small does not let you in (403).')])
})
