import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { INSTALL, packed, project, run, runBoth } from '../packed/pack.js'
import { ROOT } from '../workspace.js'
import { commandsOf, fencesOf, type Fence } from './fences.js'
import { GRAPHS } from './graphs.js'

const MINUTES = 60_000
const BUNDLED = join(ROOT, 'examples/bundled-model')
const TYPED = { MODEL: join(BUNDLED, 'model'), TEXT: 'text.txt' }
/** Characters of the text: enough for a figure, and read in seconds. */
const CHARACTERS = 30_000
/** What runs results, as a user of each installs it. */
const RUNTIMES = { '@huggingface/transformers': '4.3.1', '@tensorflow/tfjs': '4.22.0', 'onnxruntime-node': '1.30.0' }
/** In a folder of its own: npm would bring its builds for graphics cards, too. */
const LLAMA = { 'node-llama-cpp': '3.22.1', '@node-llama-cpp/linux-x64': '3.22.1' }
/** Programs that cannot run here: of vLLM and llama.cpp's own there is no package. */
const ELSEWHERE = /^(vllm|llama-cli) /

let folder = ''
let server: Server
let fences: readonly Fence[] = []
const user = (): string => join(folder, 'user')

const under = (heading: string, language: string): Fence => {
  const found = fences.find(each => each.heading === heading && each.language === language)
  if (!found) throw new Error(`README has no ${language} under "${heading}".`)
  return found
}

/** Runs one command of the README as it stands, with the user's model and text in their places, and gives what it says. */
const typed = async (command: string): Promise<string> => {
  const filled = Object.entries(TYPED).reduce((line, [word, path]) => line.replaceAll(new RegExp(`\\b${word}\\b`, 'g'), path), command)
  const { stdout } = await runBoth(user(), 'sh', ['-c', filled.replace(/^npx /, 'npx --no-install ')])
  return stdout
}

/** Runs each command under a heading that can run here. */
const typeAll = async (heading: string): Promise<readonly string[]> => {
  const said: string[] = []
  for (const command of commandsOf(under(heading, 'sh'))) if (!ELSEWHERE.test(command)) said.push(await typed(command))
  return said
}

/** Runs a program of the README beside the packages that it imports. */
const program = async (heading: string, beside = user()): Promise<string> => {
  const { port } = server.address() as AddressInfo
  const file = join(beside, `${heading.replace(/\W+/g, '-')}.mjs`)
  const text = under(heading, 'js').text.replace('http://localhost:8080', `http://127.0.0.1:${port}`)
  // threads of llama.cpp spin while they wait for each other, for minutes where others use the cores
  await writeFile(file, text.replace('createContext()', 'createContext({ threads: 1 })'))
  return run(user(), process.execPath, [file])
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-first-hour-'))
  fences = fencesOf(await readFile(join(ROOT, 'README.md'), 'utf8'))
  const dependencies = await packed(['@tersor/testing', 'create-tersor-method'])
  for (const name of commandsOf(under('Tersor', 'sh'))[0].split(' ').slice(2)) expect(dependencies).toHaveProperty([name])
  await project(user(), { type: 'module', dependencies: { ...dependencies, ...RUNTIMES } })
  await mkdir(join(user(), 'llama'))
  await writeFile(join(user(), 'llama/package.json'), JSON.stringify({ private: true, dependencies: LLAMA }))
  await run(join(user(), 'llama'), 'npm', [...INSTALL, '--omit=optional'])
  const text = await readFile(join(BUNDLED, 'text/validation.txt'), 'utf8')
  await writeFile(join(user(), 'text.txt'), text.slice(0, CHARACTERS))
  await writeFile(join(user(), 'graphs.mjs'), GRAPHS)
  await run(user(), process.execPath, ['graphs.mjs'])
  server = createServer((request, response) => void createReadStream(join(user(), request.url ?? '')).pipe(response))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
}, 10 * MINUTES)

afterAll(async () => {
  server?.close()
  await rm(folder, { recursive: true, force: true })
})

const smaller = (said: string): void => expect(said).toMatch(/\d+\.\d times smaller/)

it(
  'compresses for transformers.js, which goes on with a text',
  async () => {
    smaller((await typeAll('In transformers.js'))[0])
    expect(await program('In transformers.js')).toMatch(/generated_text: ['"]The old man\W+\w+/)
  },
  2 * MINUTES,
)

it(
  'compresses for llama.cpp, which goes on with a text',
  async () => {
    smaller((await typeAll('In llama.cpp'))[0])
    if (process.platform !== 'linux' || process.arch !== 'x64') return // its package for other machines is another
    expect((await program('In llama.cpp', join(user(), 'llama'))).trim().length).toBeGreaterThan(20)
  },
  2 * MINUTES,
)

it(
  'compresses for vLLM into the layout that its loader wants',
  async () => {
    smaller((await typeAll('In vLLM'))[0])
    const [made, config] = [join(user(), 'small-vllm'), JSON.parse(await readFile(join(user(), 'small-vllm/config.json'), 'utf8'))]
    expect(await readdir(made)).toEqual(expect.arrayContaining(['model.safetensors', 'tokenizer.json', 'config.json']))
    expect(config.quantization_config).toMatchObject({
      ...{ quant_method: 'compressed-tensors', format: 'pack-quantized' },
      config_groups: { group_0: { weights: { num_bits: 4, type: 'int' } } },
    })
    const header = JSON.parse(await headerOf(join(made, 'model.safetensors'))) as Record<string, { dtype: string; shape: number[] }>
    const name = 'model.layers.0.mlp.down_proj.weight'
    const [rows, columns] = [config.hidden_size as number, config.intermediate_size as number]
    expect(header[`${name}_packed`]).toMatchObject({ dtype: 'I32', shape: [rows, columns / 8] }) // eight codes in a word
    expect(header[`${name}_shape`]).toMatchObject({ shape: [2] })
    expect(header[`${name}_scale`].shape).toEqual([rows, columns / config.quantization_config.config_groups.group_0.weights.group_size])
    expect(header[name]).toBeUndefined()
  },
  2 * MINUTES,
)

const headerOf = async (path: string): Promise<string> => {
  const bytes = await readFile(path)
  return bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString()
}

it(
  'compresses a graph for TensorFlow.js, which computes with it',
  async () => {
    smaller((await typeAll('In TensorFlow.js'))[0])
    const numbers = (await program('In TensorFlow.js'))
      .match(/\[\[[\s\S]*?\]/)![0]
      .match(/\d\.\d+(e-?\d+)?/g)!
      .map(Number)
    expect(numbers.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 1) // a softmax
  },
  MINUTES,
)

it(
  'compresses a graph for ONNX Runtime, which computes with it',
  async () => {
    smaller((await typeAll('In ONNX Runtime'))[0])
    expect(await program('In ONNX Runtime')).toMatch(/classes[\s\S]*dims: \[ 1, 10 \]/)
  },
  MINUTES,
)

it(
  'compares, reports, goes on with a text and repeats',
  async () => {
    const [compared, compressed, generated, repeated] = await typeAll('And then')
    expect(compared.split('\n').filter(line => /small-web|small\.gguf|small-vllm/.test(line))).toHaveLength(3)
    smaller(compressed)
    expect((await stat(join(user(), 'report.html'))).size).toBeGreaterThan(10_000)
    expect(generated).toMatch(/\w{3}/) // what follows the prompt
    expect(repeated).toMatch(/same bytes/)
  },
  2 * MINUTES,
)
