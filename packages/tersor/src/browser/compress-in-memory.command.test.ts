import { selectEngine } from '@tersor/kernels'
import { memoryFileSystem, type MemoryFileSystem } from '@tersor/formats/memory'
import { openGguf } from '@tersor/formats/gguf'
import { openOnnx } from '@tersor/onnx/file'
import { generate } from '@tersor/models/generate'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compressInMemory, errorsOfLayers, filesAt, modelAmong, openInMemory, windowBatches } from '../browser.js'
import { compressModel } from '../programs.js'

const BUNDLED = join(__dirname, '../../../../examples/bundled-model/model')

const dropped = async (): Promise<MemoryFileSystem> => {
  const names = await readdir(BUNDLED)
  const files = names.map(async name => [`bundled/${name}`, await readFile(join(BUNDLED, name))] as const)
  return memoryFileSystem(Object.fromEntries(await Promise.all(files)))
}

beforeAll(() => selectEngine())

const failure = (call: Promise<unknown>): Promise<string> => call.then(() => 'no error', (error: { code: string; message: string }) => `${error.code}: ${error.message}`) // prettier-ignore

it('makes of a folder in memory the GGUF file that the command line makes of it on the disk, and runs it', async () => {
  const fileSystem = await dropped()
  const model = await openInMemory(fileSystem, modelAmong(fileSystem.paths()))
  const { path, format, small } = await compressInMemory({ fileSystem, model, name: 'small', for: 'llama.cpp', bits: 8 })
  expect([path, format]).toEqual(['small.gguf', 'gguf'])
  const written = await openGguf(fileSystem.blob(path))
  expect(written.metadata.get('general.architecture')?.value).toBe('llama')
  const folder = await mkdtemp(join(tmpdir(), 'tersor-browser-'))
  const out = join(folder, 'small.gguf')
  await compressModel({ model: BUNDLED, out, for: 'llama.cpp', bits: 8 })
  expect(new Uint8Array(await fileSystem.blob(path).arrayBuffer())).toEqual(new Uint8Array(await readFile(out)))
  await rm(folder, { recursive: true })
  const layers: number[] = []
  for await (const { error } of errorsOfLayers(small, model)) layers.push(error)
  expect(layers.length).toBeGreaterThan(20)
  expect(Math.max(...layers)).toBeLessThan(1e-3)
  const ids: number[] = []
  for await (const { id } of generate(small as never, { prompt: 'The king', tokens: 3 })) ids.push(id)
  expect(ids).toHaveLength(3)
  await small.close?.()
  await model.close?.()
})

it('makes a folder for transformers.js with every file that it takes, and hands over the model as it was written', async () => {
  const fileSystem = await dropped()
  const model = await openInMemory(fileSystem, 'bundled')
  if (model.family !== 'language') throw new Error(model.family)
  const text = { text: await readFile(join(BUNDLED, '../text/validation.txt'), 'utf8').then(all => all.slice(0, 4000)), specials: true }
  const { batches } = windowBatches(model, [text], 'validation.txt', { length: 64, samples: 4 })
  const heard: string[] = []
  const result = await compressInMemory({
    ...{ fileSystem, model, name: 'small', for: 'transformers.js', bits: 4, calibration: batches },
    onProgress: event => void (event.type === 'compressed' && heard.push(event.site)),
  })
  for (const batch of batches) batch.dispose()
  expect(result.steps[0]).toMatch(/^gptq\(bits=4/)
  expect(await filesAt(fileSystem, 'small')).toEqual(
    expect.arrayContaining(['small/config.json', 'small/onnx/model_q4.onnx', 'small/onnx/model_q4f16.onnx', 'small/tokenizer.json']),
  )
  expect(fileSystem.paths().filter(path => path.includes('.partial'))).toEqual([])
  expect(result.layers.map(({ layer }) => layer)).toEqual(expect.arrayContaining([...new Set(heard)]))
  expect((await openOnnx(fileSystem.blob('small/onnx/model_q4.onnx'))).graph.node.some(({ opType }) => opType === 'MatMulNBits')).toBe(true)
  const { small } = result
  expect(small.params.info('model.layers.0.mlp.up_proj.weight').codec).toBe('affine')
  await model.close?.()
})

it('says in two lines what it cannot do, and leaves nothing behind', async () => {
  const fileSystem = await dropped()
  const model = await openInMemory(fileSystem, 'bundled')
  const before = fileSystem.paths()
  const ask = (request: object) => failure(compressInMemory({ fileSystem, model, name: 'small', for: 'llama.cpp', ...request }))
  expect(await ask({ bits: 7 })).toBe('BAD_OPTION: --for llama.cpp has no 7 bits.\nPass --bits 2, 3, 4, 5, 6, 8 or 16.')
  expect(await ask({ for: 'tfjs' })).toMatch(/^UNSUPPORTED: A page does not write tfjs\.\nIt writes huggingface, gguf, onnx/)
  expect(await ask({ signal: AbortSignal.abort(new Error('stopped')) })).toBe('undefined: stopped')
  expect(fileSystem.paths()).toEqual(before)
  expect(await failure((async () => modelAmong(['a/cat.png', 'notes.txt']))())).toBe(
    'UNSUPPORTED: notes.txt, cat.png is no model that this page opens.\n' +
      'Drop an .onnx or .gguf file, or a Hugging Face folder (config.json, model.safetensors, tokenizer.json).',
  )
  const broken = memoryFileSystem({ 'a.gguf': new Uint8Array(64), 'b.onnx': new Uint8Array(64).fill(255) })
  expect(await failure(openInMemory(broken, 'a.gguf'))).toMatch(/^BAD_FILE: .+\n.+/)
  expect(await failure(openInMemory(broken, 'b.onnx'))).toMatch(/^BAD_FILE: .+\n.+/)
  await model.close?.()
})

it('finds the model among what was dropped', () => {
  expect(modelAmong(['a.gguf'])).toBe('a.gguf')
  expect(modelAmong(['m/onnx/model.onnx', 'm/config.json'])).toBe('m')
  expect(modelAmong(['config.json', 'model.safetensors'])).toBe('.')
  expect(modelAmong(['b.onnx', 'a.onnx', 'a.onnx_data'])).toBe('a.onnx')
})
