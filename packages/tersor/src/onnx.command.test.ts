import '@tensorflow/tfjs-backend-cpu'
import { onnxDecoderSink } from '@tersor/onnx/decoder'
import { encodeModel, graphBuilder, modelOf, ONNX_FORMS as FORMS, openOnnx } from '@tersor/onnx/file'
import { safetensorsSink } from '@tersor/formats/safetensors'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama, type OpenedModel } from '@tersor/models'
import { fromFloat32, fromIntegers, type Parameter } from '@tersor/tensor'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'
import { initializer, values, writeMlp } from '../../onnx/src/file/toy-graph.fixture.js'
import { tinyBert } from '../../models/src/networks/tiny-bert.fixture.js'
import { ONNX_FORMS } from './format-flags.js'
import { main } from './index.js'
import { json, runWords } from './command.fixture.js'

const run = (...argv: string[]) => runWords(...argv, '--json', '--quiet')

let folder = ''
beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'ort'
  folder = await mkdtemp(join(tmpdir(), 'tersor-cli-onnx-'))
  writeMlp(join(folder, 'mlp.onnx'))
  const sink = safetensorsSink(join(folder, 'inputs.safetensors'))
  for (const name of ['a', 'b']) await sink.write(name, fromFloat32(values(50 * 96, 3), 'f32', [50, 96]))
  await (await sink.finish()).close?.()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('compresses a graph and writes it as it came', async () => {
  const out = join(folder, 'small.onnx')
  const step = 'gptq(bits=4, group=32, only=*)'
  const report = await json(
    'compress',
    join(folder, 'mlp.onnx'),
    '--out',
    out,
    '--step',
    step,
    '--calibrate',
    join(folder, 'inputs.safetensors'),
  )
  expect(report.steps[0]).toMatchObject({ method: 'gptq', sites: 2 })
  expect(report.cut).toBeUndefined()
  const { tensors } = await json('inspect', out)
  expect(tensors.map(({ name }: { name: string }) => name).sort()).toEqual(['bias', 'down', 'shift', 'up'])
  expect(tensors.find(({ name }: { name: string }) => name === 'up')).toMatchObject({ shape: [96, 64], bytes: 96 * 32 + 4 * 64 * 3 })
  expect((await readdir(folder)).sort()).toEqual(['inputs.safetensors', 'mlp.onnx', 'small-onnx.recipe.json', 'small.onnx'])
})

it('leaves out neurons of a graph', async () => {
  const out = join(folder, 'narrow.onnx')
  const report = await json('compress', join(folder, 'mlp.onnx'), '--out', out, '--step', 'structured(keep=0.5, units=[neurons])')
  expect(report.bytesAfter).toBeLessThan(0.7 * report.bytesBefore)
  expect(report.cut.multiplyAdds).toEqual({ before: 96 * 64 + 64 * 24, after: 96 * 32 + 32 * 24, each: 'input' })
  const { tensors } = await json('inspect', out)
  expect(Object.fromEntries(tensors.map(({ name, shape }: { name: string; shape: number[] }) => [name, shape]))).toEqual({
    ...{ up: [96, 32], shift: [32], down: [24, 32], bias: [24] },
  })
  const { code, err } = await run(
    'compress',
    join(folder, 'mlp.onnx'),
    '--out',
    join(folder, 'none.onnx'),
    '--step',
    'structured(units=[heads])',
  )
  expect(code).toBe(1)
  expect(err).toContain('structured finds no heads in this network.')
  await rm(out)
  const bare = join(folder, 'bare')
  const nameless = await run('compress', join(folder, 'mlp.onnx'), '--out', bare, '--step', 'rtn(bits=4, group=32)')
  expect([nameless.code, nameless.err]).toEqual([
    2,
    expect.stringContaining(
      `--out ${bare} does not say that it is a graph, by which files are opened.\nLet it end in .onnx: --out ${bare}.onnx.`,
    ),
  ])
  expect((await readdir(folder)).filter(name => name.startsWith('bare'))).toEqual([])
})

it('sees a compressed graph as one, and converts it to the same values', async () => {
  const [small, again] = [join(folder, 'small.onnx'), join(folder, 'again.onnx')]
  const { bytesBefore, bytesAfter } = await json('convert', small, '--out', again, '--format', 'onnx')
  expect(bytesAfter).toBe(bytesBefore)
  expect((await readFile(again)).length).toBe((await readFile(small)).length)
  const { tensors } = await json('inspect', again)
  expect(tensors).toEqual((await json('inspect', small)).tensors)
  const { code, err } = await run('compress', small, '--out', join(folder, 'twice.onnx'), '--step', 'rtn(bits=2, only=*)')
  expect(code).toBe(1)
  expect(err).toContain('has no part to compress again')
  await rm(again)
})

it('writes static int8 with the grids of an observer', async () => {
  const out = join(folder, 'int8.onnx')
  const steps = ['--step', 'rtn(bits=8, granularity=row)', '--step', 'quantize-activations(observer=entropy)', '--form', 'QDQ']
  await json('compress', join(folder, 'mlp.onnx'), '--out', out, ...steps, '--calibrate', join(folder, 'inputs.safetensors'))
  const { graph, close } = await openOnnx(out)
  const count = (type: string) => graph.node.filter(({ opType }) => opType === type).length
  expect([count('QuantizeLinear'), count('DequantizeLinear'), count('MatMulNBits')]).toEqual([1, 2, 0]) // the head keeps its floats
  await close()
  expect(ONNX_FORMS).toEqual(FORMS)
})

it.each([8, 6, 3])('verifies static int8 against a model that rounds its inputs as they are written, in %d bits', async bits => {
  const grids = `quantize-activations(bits=${bits}, only=*)`
  const steps = ['--step', 'rtn(bits=8, granularity=row, only=*)', '--step', grids, '--form', 'QDQ', '--overwrite', '--verify']
  const files = [join(folder, 'mlp.onnx'), '--out', join(folder, 'int8.onnx'), '--calibrate', join(folder, 'inputs.safetensors')]
  const { verification, steps: done } = await json('compress', ...files, ...steps)
  expect(done.map(({ sites, error }: any) => [sites, error === undefined])).toEqual([
    [2, false],
    [2, true],
  ])
  expect(verification.runtime).toBe('ONNX Runtime')
  expect(verification.largest / verification.magnitude).toBeLessThan(8e-3) // a code more or less where a rounding ties
})

/** (gathered rows of a table, scaled by a mask of the caller's, plus a bias for each size) · w. */
const writeSeveral = async (): Promise<string> => {
  const graph = graphBuilder('node_')
  const rows = graph.op('Mul', [graph.op('Gather', ['table', 'ids']), graph.op('Unsqueeze', ['mask', graph.int64([-1])])])
  graph.rename(graph.op('MatMul', [graph.op('Add', [rows, 'size']), 'w']), 'y')
  const initializers = [initializer('table', [50, 64], values(3200, 1)), initializer('w', [64, 40], values(2560, 2))]
  const inputs = [
    { name: 'ids', dtype: 'i64' as const, shape: ['batch', 'tokens'] },
    { name: 'mask', dtype: 'f32' as const, shape: ['batch', 'tokens'] },
    { name: 'size', dtype: 'f32' as const, shape: [1] },
  ]
  const model = modelOf({
    name: 'several',
    graph,
    inputs,
    outputs: [{ name: 'y', dtype: 'f32', shape: ['batch', 'tokens', 40] }],
    initializers,
  })
  const path = join(folder, 'several.onnx')
  await writeFile(path, encodeModel(model))
  return path
}

const writeInputs = async (name: string, tensors: Readonly<Record<string, Parameter>>): Promise<string> => {
  const path = join(folder, `${name}.safetensors`)
  const sink = safetensorsSink(path, { overwrite: true })
  for (const [tensor, parameter] of Object.entries(tensors)) await sink.write(tensor, parameter)
  await (await sink.finish()).close?.()
  return path
}

it('learns from and is measured on the inputs of a graph that takes several, by their names', async () => {
  const [path, out] = [await writeSeveral(), join(folder, 'several-4.onnx')]
  const ids = (seed: number) => fromIntegers(values(60, seed).map(value => Math.floor(25 * (value + 1))), 'i64', [4, 15]) // prettier-ignore
  const mask = (seed: number) => fromFloat32(values(60, seed), 'f32', [4, 15])
  const size = fromFloat32([0.5], 'f32', [1])
  const batches = { 'ids.0': ids(1), 'mask.0': mask(2), 'size.0': size, 'size.b': size, 'mask.b': mask(3), 'ids.b': ids(4) }
  const data = await writeInputs('several', batches)
  const step = ['--step', 'gptq(bits=4, group=32, only=*MatMul*)']
  const { steps, verification } = await json('compress', path, '--out', out, ...step, '--calibrate', data, '--verify')
  expect(steps[0].sites).toBe(1)
  expect(verification.largest).toBeLessThan(1e-3 * verification.magnitude)
  const { agreement, count } = await json('evaluate', out, '--data', data, '--metric', 'agreement', '--reference', path)
  expect(count).toBe(120)
  expect(agreement).toBeGreaterThan(0.8)
  const plain = join(folder, 'several-rtn.onnx')
  await json('compress', path, '--out', plain, '--step', 'rtn(bits=4, group=32, only=*MatMul*)')
  expect((await readFile(plain)).equals(await readFile(out))).toBe(false)
})

it.each([
  ['an input is missing', { ids: fromIntegers([1, 2], 'i64', [1, 2]), size: fromFloat32([1], 'f32', [1]) }, 'has no "mask" beside "ids"'],
  ['a tensor is no input', { ids: fromIntegers([1], 'i64', [1, 1]), other: fromFloat32([1], 'f32', [1]) }, 'has a tensor "other", which is no input'], // prettier-ignore
  ['none is called after an input', { a: fromIntegers([1], 'i64', [1, 1]) }, 'has no tensor called "mask"'],
  ['there is none', {}, 'has no tensor'],
])('says what a graph takes where %s', async (_, tensors, what) => {
  const data = await writeInputs('wrong', tensors as unknown as Readonly<Record<string, Parameter>>)
  const { code, err } = await run('compress', await writeSeveral(), '--out', join(folder, 'no.onnx'), '--step', 'gptq(bits=4)', '--calibrate', data) // prettier-ignore
  expect(code).toBe(1)
  expect(err).toContain(`error BAD_DATA ${data} ${what}.`)
  expect(err).toContain(
    'The graph takes ids int64 (batch, tokens), mask float32 (batch, tokens), size float32 (1): name tensors after them, as in "ids", or "ids.0", "ids.1" … for several batches.',
  )
})

it('says once, with bytes, what was left as it was', async () => {
  const text = async (step: string): Promise<string> => {
    const out = new Writable({ write: (chunk, _encoding, done) => ((written += String(chunk)), done()) })
    let written = ''
    const argv = ['compress', await writeSeveral(), '--out', join(folder, 'left.onnx'), '--overwrite', '--step', step, '--quiet']
    expect(await main(argv, { out, err: new Writable({ write: (_chunk, _encoding, done) => done() }) })).toBe(0)
    return written
  }
  expect(await text('rtn(bits=8, granularity=row, only=*MatMul*)')).toContain(
    'left as they were: 12.8 kB of 1 site (node_Gather_0): a table of embeddings, which steps leave alone unless only= names it',
  )
  expect(await text('rtn(bits=8, granularity=row, only=*)')).not.toContain('left as they were')
})

it('says which format holds a graph', async () => {
  const { code, err } = await run(
    'compress',
    join(folder, 'mlp.onnx'),
    '--out',
    join(folder, 'g'),
    '--step',
    'rtn(bits=4)',
    '--format',
    'gguf',
  )
  expect(code).not.toBe(0)
  expect(err).toContain('The format gguf has no place for a graph.')
})

it('writes a language model as a folder for transformers.js', async () => {
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3 })
  const sink = huggingFaceSink(join(folder, 'pico'), { config: pico.rawConfig })
  for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
  await (await sink.finish()).close?.()
  const out = join(folder, 'web')
  await json('compress', join(folder, 'pico'), '--out', out, '--step', 'rtn(bits=4, group=32)', '--format', 'onnx')
  expect((await readdir(out)).sort()).toEqual([
    ...['.tersor.json', 'README.md', 'config.json', 'generation_config.json', 'onnx', 'tersor.recipe.json'],
  ])
  expect(await readdir(join(out, 'onnx'))).toEqual(['model_q4.onnx'])
  expect((await json('convert', join(folder, 'pico'), '--out', join(folder, 'plain'), '--format', 'onnx')).format).toBe('onnx')
  expect(await readdir(join(folder, 'plain/onnx'))).toEqual(['model.onnx'])
  const { code, err } = await run('convert', join(folder, 'pico'), '--out', join(folder, 'other'), '--format', 'gguf', '--form', 'QDQ')
  expect(code).toBe(2)
  expect(err).toContain('--form says nothing to the format gguf.\nPass it with --format onnx, or leave it out.')
})

const writeFolder = async (name: string, { params, rawConfig: config }: OpenedModel, files = {}): Promise<string> => {
  const path = join(folder, name)
  const sink = huggingFaceSink(path, { config, files })
  for (const each of params.names()) await sink.write(each, await params.read(each))
  await (await sink.finish()).close?.()
  return path
}

describe('an encoder', () => {
  const tokenizer = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const quantize = ['--step', 'rtn(bits=4, group=32)', '--format', 'onnx']

  it.each(['BertModel', 'BertForMaskedLM', 'BertForSequenceClassification'])(
    'becomes a folder for transformers.js: %s',
    async architecture => {
      const source = await writeFolder(architecture, tinyBert(architecture), tokenizer)
      const out = join(folder, `web-${architecture}`)
      const { verification } = await json('compress', source, '--out', out, ...quantize, '--verify')
      expect(verification).toMatchObject({ runtime: 'ONNX Runtime', fromOriginal: expect.any(Number) })
      expect(verification.largest).toBeLessThan(1e-4)
      expect((await readdir(out)).sort()).toEqual([
        ...['.tersor.json', 'README.md', 'config.json', 'onnx', 'tersor.recipe.json', 'tokenizer.json'],
      ])
      expect(await readdir(join(out, 'onnx'))).toEqual(['model_q4.onnx'])
      expect((await json('convert', source, '--out', join(folder, `plain-${architecture}`), '--format', 'onnx')).format).toBe('onnx')
      // what it gives is of no next token, so that no text is measured with it
      const { err } = await run('evaluate', out, '--data', join(folder, 'inputs.safetensors'), '--metric', 'perplexity')
      expect(err).toContain('perplexity does not measure a model of the kind graph.')
      expect((await run('generate', out, '--prompt', 'a')).err).toContain('is no language model with a tokenizer.')
    },
  )

  it('has no place in formats of language models, and is no single file', async () => {
    const source = await writeFolder('bert', tinyBert('BertModel'))
    const { code, err } = await run('convert', source, '--out', join(folder, 'bert-gguf'), '--format', 'gguf')
    expect(code).toBe(1)
    expect(err).toContain('The format gguf has no place for bert.\nUse --format huggingface or onnx.')
    const file = await run('convert', source, '--out', join(folder, 'bert.onnx'), '--format', 'onnx')
    expect(file.err).toContain('names a file, and a network of text becomes a folder: its graph, config and tokenizer.')
  })
})

it('measures a folder for transformers.js that it wrote as the folder it was made of, and generates the same text from it', async () => {
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3 })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const [source, out] = [join(folder, 'told'), join(folder, 'told-web')]
  const sink = huggingFaceSink(source, { config: pico.rawConfig, files })
  for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
  await (await sink.finish()).close?.()
  const { bytesBefore, bytesAfter } = await json('convert', source, '--out', out, '--format', 'onnx')
  expect(bytesAfter - bytesBefore).toBeLessThan(0.2 * bytesBefore) // halves stay halves; some constants come on top
  const { tensors } = await json('inspect', join(out, 'onnx/model.onnx'))
  expect(tensors.find(({ name }: any) => name === 'model.embed_tokens.weight')).toMatchObject({ dtype: 'bf16' })
  const text = join(folder, 'text.txt')
  await writeFile(text, 'It is a truth universally acknowledged. '.repeat(3))
  const [here, there] = [await json('evaluate', source, '--data', text), await json('evaluate', out, '--data', text)]
  expect(there.tokens).toBe(here.tokens)
  expect(Math.abs(there.perplexity / here.perplexity - 1)).toBeLessThan(1e-4)
  const { kl } = await json('evaluate', out, '--data', text, '--metric', 'kl', '--reference', source)
  expect(kl).toBeLessThan(1e-6)
  const said = await json('generate', out, '--prompt', 'It is', '--tokens', '12')
  expect(said).toEqual({
    ...(await json('generate', source, '--prompt', 'It is', '--tokens', '12')),
    tokensPerSecond: said.tokensPerSecond,
  })
  const whole = await run('generate', out, '--prompt', 'It', '--activations', 'int8')
  expect(whole.err).toContain('error BAD_OPTION activations is "int8", and an imported graph multiplies decoded weights.')
  const plain = await run('evaluate', join(folder, 'mlp.onnx'), '--data', text, '--metric', 'perplexity')
  expect(plain.err).toContain('perplexity does not measure a model of the kind graph.')
  expect(plain.err).toContain('perplexity and kl measure a decoder in its folder, with its tokenizer.json.')
})

it('leaves out heads and neurons of a decoder in its folder, whose config follows, and generates from it', async () => {
  const model = picoLlama({ layers: 1, context: 32, seed: 3 })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const [web, out] = [join(folder, 'heads-web'), join(folder, 'heads-cut')]
  const sink = onnxDecoderSink(web, { rawConfig: model.rawConfig, files })
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (await sink.finish()).close?.()
  const step = 'structured(keep=0.5, units=[heads, neurons])'
  const { bytesBefore, bytesAfter, verification } = await json('compress', web, '--out', out, '--step', step, '--verify')
  expect(verification).toMatchObject({ runtime: 'ONNX Runtime', fromOriginal: expect.any(Number) })
  expect(verification.largest).toBeLessThan(1e-4)
  expect(verification.fromOriginal).toBeGreaterThan(0)
  expect(bytesAfter).toBeLessThan(0.85 * bytesBefore)
  expect(JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))).toMatchObject({
    ...{ num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8, intermediate_size: 32 },
  })
  expect((await json('generate', out, '--prompt', 'the old', '--tokens', '6')).tokens).toBe(6)
})

it('keeps the cache of a graph small, saves its session and goes on from it', async () => {
  const model = picoLlama({ hidden: 64, heads: 4, keyValueHeads: 2, seed: 1 })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const web = join(folder, 'web-session')
  const sink = onnxDecoderSink(web, { rawConfig: model.rawConfig, files }, { attention: 'fused' })
  for (const name of model.params.names()) await sink.write(name, await model.params.read(name))
  await (await sink.finish()).close?.()
  const file = join(folder, 'graph-session.safetensors')
  const cache = ['--cache', 'streaming-llm(sinks=2, window=20, slack=4, positions=compact)', '--cache-bits', '8']
  const whole = await json('generate', web, '--prompt', 'the old man and', '--tokens', '50', ...cache)
  expect(whole.tokens).toBe(50)
  const first = await json('generate', web, '--prompt', 'the old man and', '--tokens', '50', ...cache, '--save-session', file)
  expect(first.text).toBe(whole.text)
  const more = ['generate', web, '--prompt', ' and', '--tokens', '12', '--load-session', file] as const
  const second = await json(...more, ...cache)
  expect(second.tokens).toBe(12)
  expect(await json(...more, ...cache)).toMatchObject({ text: second.text })
  expect((await run(...more)).err).toContain('was kept small by another plan')
})
