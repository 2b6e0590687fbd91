import '@tensorflow/tfjs-backend-cpu'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { openGguf } from '@tersor/formats/gguf'
import { openModel, picoLlama, type PicoLlamaOptions } from '@tersor/models'
import { fromFloat32, type Dense, type Parameter } from '@tersor/tensor'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'
import { json, runWords as run } from './command.fixture.js'

let folder = ''
beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'ort'
  folder = await mkdtemp(join(tmpdir(), 'tersor-gguf-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const at = (name: string): string => join(folder, name)
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const UP = 'model.layers.0.mlp.up_proj.weight'

const save = async (
  name: string,
  size: PicoLlamaOptions = {},
  edit: (name: string, parameter: Dense) => Parameter = (_name, parameter) => parameter,
) => {
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3, ...size })
  const files = { 'tokenizer.json': bytes(byteTokenizerJson()), 'chat_template.jinja': new TextEncoder().encode('{{ messages }}') }
  const sink = huggingFaceSink(at(name), { config: pico.rawConfig, files })
  for (const each of pico.params.names()) await sink.write(each, edit(each, (await pico.params.read(each)) as Dense))
  await (await sink.finish()).close?.()
  return at(name)
}

it.each([
  ['mixtral', { model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 }],
  [
    'qwen3-moe',
    { model_type: 'qwen3_moe', num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 64, head_dim: 8, norm_topk_prob: true },
  ],
])('takes %s to GGUF and back, makes an importance matrix of it and text with it', async (name, config) => {
  const model = await save(name, { config })
  await json('convert', model, '--out', at(`${name}.gguf`), '--format', 'gguf')
  await json('convert', at(`${name}.gguf`), '--out', at(`${name}-back`))
  const [before, after] = [await openModel(model), await openModel(at(`${name}-back`))]
  expect([...after.params.names()].sort()).toEqual([...before.params.names()].sort())
  const router = before.params.names().find(each => each.endsWith('.gate.weight'))!
  for (const each of before.params.names().filter(each => each.includes('experts.3')))
    expect(await after.params.read(each)).toEqual(await before.params.read(each))
  expect(after.params.info(router).dtype).toBe('f32')
  await Promise.all([before.close?.(), after.close?.()])
  const text = at('text.txt')
  await writeFile(text, 'the old man and the sea and the boat and the old sea of the man\n')
  const { weights } = await json('imatrix', model, '--calibrate', text, '--out', at(`${name}.imatrix`))
  expect(weights).toBe(14)
  const { notes } = await json(
    'convert',
    model,
    '--out',
    at(`${name}-q4.gguf`),
    '--format',
    'gguf',
    '--type',
    'q4_0',
    '--imatrix',
    at(`${name}.imatrix`),
  )
  expect(notes.join('\n')).not.toContain('importance')
  const made = await json('generate', at(`${name}.gguf`), '--prompt', 'the', '--tokens', '10')
  expect(made).toEqual({ ...(await json('generate', model, '--prompt', 'the', '--tokens', '10')), tokensPerSecond: expect.any(Number) })
  const template = await openGguf(at(`${name}-q4.gguf`))
  expect(template.metadata.get('tokenizer.chat_template')!.value).toBe('{{ messages }}')
  await template.close()
})

it('fills in what a config leaves out, as it was run', async () => {
  const model = await save('bare', { keyValueHeads: 4 })
  const path = join(model, 'config.json')
  const { num_key_value_heads: _heads, rms_norm_eps: _eps, head_dim: _size, ...bare } = JSON.parse(await readFile(path, 'utf8')) as any
  await writeFile(path, JSON.stringify(bare))
  await json('convert', model, '--out', at('bare.gguf'), '--format', 'gguf')
  const [folderText, fileText] = [await json('generate', model, '--prompt', 'a', '--tokens', '6'), await json('generate', at('bare.gguf'), '--prompt', 'a', '--tokens', '6')] // prettier-ignore
  expect(fileText.text).toBe(folderText.text)
})

it('keeps the keys and the tokenizer of a GGUF file that becomes another', async () => {
  await json('convert', await save('keys'), '--out', at('keys.gguf'), '--format', 'gguf')
  await json('convert', at('keys.gguf'), '--out', at('keys-2.gguf'), '--format', 'gguf', '--type', 'q8_0')
  const { notes } = await json('convert', at('keys-2.gguf'), '--out', at('keys-3.gguf'), '--format', 'gguf', '--type', 'Q4_0')
  expect(notes).toContain('15 tensors were rounded before and are now rounded a second time, to Q4_0')
  const [first, last] = [await openGguf(at('keys.gguf')), await openGguf(at('keys-3.gguf'))]
  for (const [key, value] of first.metadata) if (key.startsWith('tokenizer.')) expect(last.metadata.get(key)).toEqual(value)
  expect(last.metadata.get('general.file_type')!.value).toBe(2)
  await Promise.all([first.close(), last.close()])
})

const broken =
  (value: number) =>
  (name: string, parameter: Dense): Parameter => {
    if (name !== UP) return parameter
    const values = new Float32Array(parameter.shape[0] * parameter.shape[1]).fill(0.1)
    values[parameter.shape[1] + 2] = value
    return fromFloat32(values, 'bf16', parameter.shape)
  }

it.each([
  ['NaN', NaN],
  ['Infinity', Infinity],
])('names the weight that holds %s instead of rounding it', async (text, value) => {
  const model = await save(`broken-${text}`, {}, broken(value))
  for (const more of [
    ['--format', 'gguf', '--type', 'q4_0'],
    ['--format', 'gguf', '--type', 'Q4_K_M'],
    ['--dtype', 'f16'],
  ]) {
    const { code, err } = await run('convert', model, '--out', at(`never-${text}${more.at(-1)!}`), ...more)
    expect(code).toBe(1)
    expect(err).toContain(`"${UP}" holds ${text} at [1, 2].`)
  }
  // as they are, or wider, nothing is computed from them
  await json('convert', model, '--out', at(`same-${text}`))
  await json('convert', model, '--out', at(`wide-${text}`), '--dtype', 'f32')
})

it('refuses an f16 that numbers do not fit, and says what does', async () => {
  const model = await save('large', {}, broken(1e5))
  const { code, err } = await run('convert', model, '--out', at('never-large'), '--dtype', 'f16')
  expect(code).toBe(1)
  expect(err).toMatch(/holds numbers up to 9\d+, which f16 has no room for\.\n.*Pass --dtype bf16 or --dtype f32\./)
})
