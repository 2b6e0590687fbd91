import { openModel, picoLlama } from '@tersor/models'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openOutput } from './model-output.js'
import { runWords as run } from './command.fixture.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-command-'))
  await mkdir(join(folder, 'model'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A dense layer of 3 × 2 codes and two plain biases, as tensorflowjs_converter writes them: 6 + 8 bytes. No engine has been loaded to make it. */
const placeDense = async (): Promise<string> => {
  const initializer = { class_name: 'Zeros', config: {} }
  const config = { name: 'd', units: 2, batch_input_shape: [null, 3], kernel_initializer: initializer, bias_initializer: initializer }
  const modelTopology = { class_name: 'Sequential', config: { name: 's', layers: [{ class_name: 'Dense', config }] } }
  const weights = [
    { name: 'd/kernel', shape: [3, 2], dtype: 'float32', quantization: { dtype: 'uint8', scale: 0.5, min: -1 } },
    { name: 'd/bias', shape: [2], dtype: 'float32' },
  ]
  await writeFile(join(folder, 'model/w.bin'), Uint8Array.from([0, 1, 2, 3, 4, 5, ...new Uint8Array(Float32Array.of(1, 2).buffer)]))
  const path = join(folder, 'model/model.json')
  await writeFile(path, JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] }))
  return path
}

it('inspects layers without an engine, in the bytes of the file', async () => {
  const { code, out } = await run('inspect', await placeDense(), '--json')
  expect(code).toBe(0)
  const { bytes, parameters, tensors } = JSON.parse(out) as { bytes: number; parameters: number; tensors: readonly object[] }
  expect([bytes, parameters]).toEqual([14, 8])
  expect(tensors[0]).toMatchObject({ name: 'd/kernel', bytes: 6, bitsPerWeight: 8 })
})

it('prints no sign of a file that steers the terminal', async () => {
  const path = await placeDense()
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace('d/bias', 'd\\u001b[2J\\n/bias'))
  const { code, out } = await run('inspect', path)
  expect(code).toBe(0)
  expect(out).toContain('d [2J /bias')
  expect(out).not.toContain('\u001b[2J')
})

it('converts a folder, and opens what it wrote by the folder or its model.json', async () => {
  process.env.TERSOR_ENGINE = 'cpu'
  const out = join(folder, 'copy')
  const { code, err } = await run('convert', await placeDense(), '--out', out, '--format', 'tfjs')
  expect([code, err.includes('error')]).toEqual([0, false])
  for (const path of [out, join(out, 'model.json')]) {
    const model = await openModel(path)
    expect(model).toMatchObject({ family: 'graph', format: 'tfjs' })
    expect(model.params.info('d/kernel').byteLength).toBe(6)
    if ('close' in model) await model.close?.()
  }
  expect((await readFile(join(out, 'group1-shard1.bin'))).length).toBe(14)
})

/** Two dense layers, 2 → 4 → 3, in float32. */
const placeTwo = async (): Promise<string> => {
  const layer = (name: string, units: number, more: object) => ({ class_name: 'Dense', config: { name, units, use_bias: false, ...more } })
  const layers = [layer('hidden', 4, { batch_input_shape: [null, 2], activation: 'relu' }), layer('head', 3, {})]
  const modelTopology = { class_name: 'Sequential', config: { name: 's', layers } }
  const weights = [['hidden/kernel', [2, 4]] as const, ['head/kernel', [4, 3]] as const].map(([name, shape]) => ({ name, shape, dtype: 'float32' })) // prettier-ignore
  await mkdir(join(folder, 'two'), { recursive: true })
  await writeFile(join(folder, 'two/w.bin'), new Uint8Array(Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)).buffer))
  const path = join(folder, 'two/model.json')
  await writeFile(path, JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] }))
  return path
}

it('leaves out neurons of layers, says so, and writes layers of as many units, which tfjs runs', async () => {
  process.env.TERSOR_ENGINE = 'cpu'
  const [path, out] = [await placeTwo(), join(folder, 'narrow')]
  const step = 'structured(score=unit-norm, keep=0.5, units=[neurons])'
  const { code, out: text, err } = await run('compress', path, '--out', out, '--step', step, '--verify', '--json')
  expect(code).toBe(0)
  expect(err).toContain('units of "head/kernel" stay whole: they are what the graph gives.')
  const { cut, verification } = JSON.parse(text) as { cut: object; verification: { largest: number } }
  expect([cut, verification !== undefined]).toEqual([
    { parameters: { before: 20, after: 10 }, multiplyAdds: { before: 20, after: 10, each: 'input' } },
    true,
  ])
  const { modelTopology } = JSON.parse(await readFile(join(out, 'model.json'), 'utf8'))
  expect(modelTopology.config.layers.map(({ config }: { config: { units: number } }) => config.units)).toEqual([2, 3])
  const refused = await run('compress', path, '--out', `${out}-2`, '--step', 'structured(units=[heads])')
  expect([refused.code, refused.err.includes('structured finds no heads in this network.')]).toEqual([1, true])
})

it('refuses to write a language model as tfjs before anything is done', async () => {
  const flags = { out: join(folder, 'none'), format: 'tfjs', overwrite: false, resume: false } as const
  await expect(openOutput(picoLlama({ context: 32 }), join(folder, 'source'), flags)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: [
      'The format tfjs holds graphs and layers of TensorFlow.js, and llama is neither: nothing could load it.',
      'Use --format onnx, which transformers.js and onnxruntime-web run in browsers, or gguf.',
    ].join('\n'),
  })
})
