import '@tensorflow/tfjs-backend-cpu'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { picoLlama } from '@tersor/models'
import { openOnnx } from '@tersor/onnx/file'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { initializer, values, writeMlp } from '../../../onnx/src/file/toy-graph.fixture.js'
import { encodeModel, graphBuilder, modelOf } from '@tersor/onnx/file'
import { byteTokenizerJson } from '../byte-tokenizer.fixture.js'
import { main } from '../index.js'
import { json, runWords as run } from '../command.fixture.js'

let folder = ''
const at = (name: string): string => join(folder, name)
let model = ''
let graph = ''
let text = ''

beforeAll(async () => {
  process.env.TERSOR_ENGINE = 'ort'
  folder = await mkdtemp(join(tmpdir(), 'tersor-targets-'))
  ;[model, graph, text] = [at('pico'), at('mlp.onnx'), at('text.txt')]
  const pico = picoLlama({ dtype: 'bf16', context: 32, seed: 3 })
  const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
  const sink = huggingFaceSink(model, { config: { ...pico.rawConfig, torch_dtype: 'bfloat16' }, files })
  for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
  await (await sink.finish()).close?.()
  writeMlp(graph)
  await writeFile(text, 'the old man and the sea '.repeat(40))
  await writeFile(at('x.json'), JSON.stringify({ x: Array.from({ length: 8 }, (_, i) => [...values(96, i)]) }))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
/** What a result holds, by the names of its tensors. */
const storedIn = async (path: string): Promise<Record<string, string>> => {
  const { tensors } = await json('inspect', path)
  return Object.fromEntries(tensors.map((each: any) => [each.name, `${each.storedAs ?? each.codec ?? each.dtype} ${each.bitsPerWeight}`]))
}
const UP = 'model.layers.0.mlp.up_proj.weight'
const TABLE = 'model.embed_tokens.weight'

it('writes all files of transformers.js into one folder, and says which one is usual', async () => {
  const out = at('web')
  await json('compress', model, '--out', out, '--for', 'transformers.js')
  expect((await readdir(join(out, 'onnx'))).sort()).toEqual([
    'model_fp16.onnx',
    'model_q4.onnx',
    'model_q4f16.onnx',
    'model_quantized.onnx',
  ])
  expect((await readdir(out)).sort()).toEqual([
    ...['.tersor.json', 'README.md', 'config.json', 'generation_config.json', 'onnx', 'tersor.recipe.json', 'tokenizer.json'],
  ])
  const { 'transformers.js_config': settings } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))
  const halves = { fp16: 'float16', q4f16: 'float16', q2f16: 'float16' }
  expect(settings).toEqual({ dtype: 'q4', device_config: { webgpu: { dtype: 'q4f16' } }, kv_cache_dtype: halves })
  const { graph: halved, close } = await openOnnx(join(out, 'onnx/model_q4f16.onnx'))
  await close()
  expect(halved.node.filter(({ opType }) => opType === 'MatMulNBits')).toHaveLength(15)
  const eight = await json('convert', model, '--out', at('web8'), '--for', 'transformers.js', '--bits', '8')
  expect(await readdir(join(eight.out, 'onnx'))).toEqual(['model_quantized.onnx'])
  expect((await readdir(folder)).filter(name => name.includes('partial'))).toEqual([])
})

it('measures and shows the file that transformers.js takes, of several', async () => {
  const out = at('usual')
  const shown = await json('compress', model, '--out', out, '--for', 'transformers.js')
  const q4 = (await readFile(join(out, 'onnx/model_q4.onnx'))).length
  expect(shown.bytesAfter).toBe(q4)
  expect(shown.compressed.bytes + shown.rest.bytes).toBe(q4)
  const { models } = await json('compare', model, out, '--timed', '0')
  expect(models[1].bytes).toBe(q4)
  await writeFile(join(out, 'config.json'), (await readFile(join(out, 'config.json'), 'utf8')).replace('"dtype": "q4",', '"dtype": "q8",'))
  const eight = await json('compare', model, out, '--timed', '0')
  expect(eight.models[1].bytes).toBe((await readFile(join(out, 'onnx/model_quantized.onnx'))).length)
})

it('leaves no half-written file when it is stopped at another than the first, and can go on', async () => {
  const events: string[] = []
  const err = new Writable({ write: (chunk, _encoding, done) => (events.push(String(chunk)), done()) })
  const stopped = main(['compress', model, '--out', at('stopped'), '--for', 'transformers.js'], { out: err, err })
  while (!(await readdir(folder)).some(name => name.startsWith('stopped.partial-'))) await new Promise(resolve => setTimeout(resolve, 1))
  process.emit('SIGINT')
  expect(await stopped).toBe(130)
  expect((await readdir(folder)).filter(name => name.startsWith('stopped.partial-'))).toEqual([])
})

it.each([
  [undefined, 'q5_0', 5.5], // rows of 32 fill no block of 256, and llama.cpp takes that instead of q4_k
  ['8', 'q8_0', 8.5],
  ['16', 'f16', 16],
])('lets the writer round for llama.cpp, tables too: --bits %s', async (bits, type, size) => {
  const out = at(`for-${type}.gguf`)
  await json('compress', model, '--out', out, '--for', 'llama.cpp', ...(bits ? ['--bits', bits] : []))
  const stored = await storedIn(out)
  expect(stored[UP]).toBe(`${type === 'f16' ? type : 'affine'} ${size}`)
  expect(stored[TABLE]).not.toMatch(/^(bf16|f32)/)
})

it('weighs columns for llama.cpp by what it is given', async () => {
  const [plain, weighed] = [at('plain.gguf'), at('weighed.gguf')]
  await json('compress', model, '--out', plain, '--for', 'llama.cpp')
  await json('compress', model, '--out', weighed, '--for', 'llama.cpp', '--calibrate', text)
  expect(await readFile(weighed)).not.toEqual(await readFile(plain))
  await json('imatrix', model, '--calibrate', text, '--out', at('i.gguf'))
  await json('convert', model, '--out', at('by-hand.gguf'), '--type', 'Q4_K_M', '--imatrix', at('i.gguf'))
  expect(await readFile(at('by-hand.gguf'))).toEqual(await readFile(weighed))
})

it.each([
  ['vllm', [], { quant_method: 'compressed-tensors', format: 'pack-quantized' }],
  ['vllm', ['--bits', '8', '--calibrate'], { quant_method: 'compressed-tensors' }],
  ['vllm', ['--format', 'awq'], { quant_method: 'awq', bits: 4 }],
])('writes what vLLM loads: %s %j', async (target, more, expected) => {
  const out = at(`vllm${more.join('')}`)
  await json('compress', model, '--out', out, '--for', target, ...more.flatMap(word => (word === '--calibrate' ? [word, text] : [word])))
  const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'))
  expect(config.quantization_config).toMatchObject(expected)
})

it('writes halves for vLLM at 16 bits, and says so in the config', async () => {
  await json('compress', model, '--out', at('half'), '--for', 'vllm', '--bits', '16', '--dtype', 'f16')
  expect(JSON.parse(await readFile(at('half/config.json'), 'utf8')).torch_dtype).toBe('float16')
  expect((await storedIn(at('half')))[UP]).toBe('f16 16')
})

it('writes graphs for ONNX Runtime in the form it is fast with', async () => {
  const kinds = async (path: string): Promise<Record<string, number>> => {
    const { graph: read, close } = await openOnnx(path)
    await close()
    const types = ['MatMulNBits', 'QuantizeLinear', 'DequantizeLinear', 'Cast']
    return Object.fromEntries(
      types.map(type => [type, read.node.filter(({ opType }) => opType === type).length]).filter(([, count]) => count),
    )
  }
  await json('compress', graph, '--out', at('four.onnx'), '--for', 'onnxruntime', '--calibrate', at('x.json'))
  expect(await kinds(at('four.onnx'))).toEqual({ MatMulNBits: 2 })
  await json('compress', graph, '--out', at('eight.onnx'), '--for', 'onnxruntime', '--bits', '8')
  expect(await kinds(at('eight.onnx'))).toEqual({ DequantizeLinear: 2 })
  await json('compress', graph, '--out', at('static.onnx'), '--for', 'onnxruntime', '--bits', '8', '--calibrate', at('x.json'))
  expect(await kinds(at('static.onnx'))).toEqual({ QuantizeLinear: 2, DequantizeLinear: 4 })
  await json('convert', graph, '--out', at('half.onnx'), '--for', 'onnxruntime', '--bits', '16')
  expect((await storedIn(at('half.onnx'))).up).toBe('f16 16')
  await json('compress', model, '--out', at('ort'), '--for', 'onnxruntime')
  expect(await readdir(at('ort/onnx'))).toEqual(['model_q4.onnx'])
})

it('takes eight bits for networks that convolve', async () => {
  const made = graphBuilder('node_')
  made.rename(made.op('Conv', ['x', 'w']), 'y')
  const [inputs, outputs] = ['x', 'y'].map(name => [{ name, dtype: 'f32' as const, shape: [1, 2, 'h', 'w'] }])
  const proto = modelOf({ name: 'conv', graph: made, inputs, outputs, initializers: [initializer('w', [32, 2, 3, 3], values(576, 1))] })
  proto.opsetImport[0].version = 21n
  await writeFile(at('conv.onnx'), encodeModel(proto))
  const { steps } = await json('compress', at('conv.onnx'), '--out', at('conv8.onnx'), '--for', 'onnxruntime')
  expect(steps).toMatchObject([{ method: 'rtn', options: { bits: 8, granularity: 'row' } }])
})

it('gives every weight one scale for TensorFlow.js', async () => {
  const config = { name: 'd', units: 2, batch_input_shape: [null, 3], kernel_initializer: { class_name: 'Zeros', config: {} } }
  const modelTopology = { class_name: 'Sequential', config: { name: 's', layers: [{ class_name: 'Dense', config }] } }
  const weights = [{ name: 'd/kernel', shape: [3, 2], dtype: 'float32' }, { name: 'd/bias', shape: [2], dtype: 'float32' }] // prettier-ignore
  await mkdir(at('tf'))
  await writeFile(at('tf/w.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8).buffer))
  await writeFile(at('tf/model.json'), JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] })) // prettier-ignore
  await json('compress', at('tf'), '--out', at('tf8'), '--for', 'tfjs')
  const quantized = async (name: string) =>
    JSON.parse(await readFile(at(`${name}/model.json`), 'utf8')).weightsManifest[0].weights[0].quantization.dtype
  expect(await quantized('tf8')).toBe('uint8')
  await json('convert', at('tf'), '--out', at('tf16'), '--for', 'tfjs', '--bits', '16')
  expect(await quantized('tf16')).toBe('float16')
})

it('takes steps that are given instead of its own', async () => {
  const { steps } = await json('compress', model, '--out', at('own.gguf'), '--for', 'llama.cpp', '--step', 'rtn(bits=8, group=32)')
  expect(steps.map(({ method }: any) => method)).toEqual(['rtn'])
  expect((await storedIn(at('own.gguf')))[UP]).toBe('affine 8.5')
})

it.each([
  [['--bits', '4'], '--bits 4 is given without --for.\nSay where the result is to run, such as --for llama.cpp,'],
  [['--for', 'tfjs', '--bits', '4'], '--for tfjs has no 4 bits.\nPass --bits 8 or 16.'],
  [['--for', 'llama.cpp', '--format', 'onnx'], '--for llama.cpp takes gguf, and the format is onnx.\nLeave --format out,'],
  [['--for', 'vllm', '--out', 'x.gguf'], '--for vllm takes compressed-tensors, gptq, awq, huggingface, and the format is gguf.'],
  [['--for', 'tfjs', '--bits', '16', '--dtype', 'bf16'], 'The format tfjs holds graphs and layers'],
])('refuses %j', async (flags, message) => {
  const out = flags.includes('--out') ? [] : ['--out', at('never')]
  const { code, err } = await run('compress', model, ...out, ...flags)
  expect(code).toBeGreaterThan(0)
  expect(err).toContain(message)
})

it('writes plain floats as they are asked for in every format that holds them', async () => {
  await json('convert', model, '--out', at('f16.gguf'), '--type', 'f16')
  await json('convert', model, '--out', at('d16.gguf'), '--dtype', 'f16')
  expect([(await storedIn(at('f16.gguf')))[UP], (await storedIn(at('d16.gguf')))[UP]]).toEqual(['f16 16', 'f16 16'])
  await json('convert', model, '--out', at('onnx16'), '--format', 'onnx', '--dtype', 'f16')
  expect(await readdir(at('onnx16/onnx'))).toEqual(['model_fp16.onnx'])
  await json('compress', model, '--out', at('rest'), '--step', 'rtn(bits=8)', '--dtype', 'f32')
  const stored = await storedIn(at('rest'))
  expect(stored[TABLE]).toBe('f32 32')
  expect(stored[UP]).toMatch(/^affine/)
  const { err } = await run('convert', graph, '--out', at('b.onnx'), '--dtype', 'bf16')
  expect(err).toContain('error BAD_OPTION The format onnx holds no bf16.\nPass --dtype f32 or f16.')
})

it('says why a result is not smaller', async () => {
  const { err } = await run('convert', model, '--out', at('wide'), '--dtype', 'f32')
  expect(err).toMatch(/note the result is not smaller than its source: .*: \d+ tensors went from bf16 to f32, which took [\d.]+ kB more/)
  expect((await run('convert', model, '--out', at('same'))).err).toMatch(
    /not smaller .*: its tensors are stored as they were, and nothing was made smaller/,
  )
})
