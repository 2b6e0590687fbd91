import '@tensorflow/tfjs-backend-cpu'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { json, run } from './command.fixture.js'
import { scene } from './scene.fixture.js'
import { commandOf, readRecipe } from './recipe.js'

const { at, fresh } = scene({ layers: 1, hidden: 64, feedForward: 128, keyValueHeads: 4 })

/** Outputs of several formats by several steps; those that learn from inputs are given a text. */
const OUTPUTS: Readonly<Record<string, readonly string[]>> = {
  folder: ['--step', 'rtn(bits=4, group=8)'],
  learned: ['--step', 'wanda(pattern=2:4)', '--step', 'gptq(bits=4, group=8)', '--step', 'eora(rank=2)', '--seed', '5', '--calibrate'],
  turned: ['--step', 'hadamard', '--step', 'rtn(bits=8, group=8)', '--seed', '3'],
  'file.gguf': ['--step', 'rtn(bits=8, group=32)'],
  gguf: ['--step', 'k-quant(type=q4_0)', '--format', 'gguf'],
  gptq: ['--step', 'rtn(bits=4, group=32)', '--format', 'gptq'],
  awq: ['--step', 'rtn(bits=4, group=32, symmetric=false)', '--format', 'awq'],
  cut: ['--step', 'structured(score=unit-taylor, keep=0.5, units=[neurons, heads])', '--calibrate'],
  packed: ['--step', 'rtn(bits=4, group=32)', '--format', 'compressed-tensors'],
  graph: ['--step', 'rtn(bits=4, group=16)', '--format', 'onnx'],
  'files for transformers.js': ['--for', 'transformers.js'],
  'files with halves': ['--for', 'onnxruntime', '--bits', '4', '--dtype', 'f16'],
}

it.each(Object.keys(OUTPUTS))('makes %s again, byte by byte, in the place and under the name that is asked for', async name => {
  const argv = OUTPUTS[name]
  const { out } = await json('compress', at.model, '--out', fresh(name), ...argv, ...(argv.at(-1) === '--calibrate' ? [at.text] : []))
  const again = fresh(`again-${name}`)
  expect(await json('repeat', fresh(name), '--out', again)).toMatchObject({ out: again, same: true, different: [] })
  expect((await run(['inspect', out])).out.replace(/\n {2}/g, ' ')).toContain(`made by: ${commandOf((await readRecipe(fresh(name)))!)}`)
})

it('makes what came of a graph again: an ONNX file, and a model of tfjs', async () => {
  const graph = fresh('graph-source')
  await json('convert', at.model, '--out', graph, '--format', 'onnx')
  const [file] = (await readdir(join(graph, 'onnx'))).filter(name => name.endsWith('.onnx'))
  await json('compress', join(graph, 'onnx', file), '--out', fresh('small.onnx'), '--step', 'rtn(bits=8, group=16)')
  expect(await json('repeat', fresh('small.onnx'), '--out', fresh('again.onnx'))).toMatchObject({ same: true, different: [] })
  await mkdir(fresh('dense'))
  const initializer = { class_name: 'Zeros', config: {} }
  const config = { name: 'd', units: 4, batch_input_shape: [null, 8], kernel_initializer: initializer, bias_initializer: initializer }
  const modelTopology = { class_name: 'Sequential', config: { name: 's', layers: [{ class_name: 'Dense', config }] } }
  const weights = [{ name: 'd/kernel', shape: [8, 4], dtype: 'float32' }, { name: 'd/bias', shape: [4], dtype: 'float32' }] // prettier-ignore
  await writeFile(join(fresh('dense'), 'w.bin'), new Uint8Array(Float32Array.from({ length: 36 }, (_, i) => Math.sin(i)).buffer))
  await writeFile(join(fresh('dense'), 'model.json'), JSON.stringify({ format: 'layers-model', modelTopology, weightsManifest: [{ paths: ['w.bin'], weights }] })) // prettier-ignore
  await json('compress', join(fresh('dense'), 'model.json'), '--out', fresh('small-tfjs'), '--step', 'rtn(bits=8, granularity=tensor)')
  expect(await json('repeat', fresh('small-tfjs'), '--out', fresh('again-tfjs'))).toMatchObject({ same: true, different: [] })
})

it('makes a conversion again', async () => {
  await json('convert', at.model, '--out', fresh('half'), '--dtype', 'f16')
  expect(await json('repeat', fresh('half'))).toMatchObject({ same: true, out: fresh('half-again') })
  const { command } = await json('repeat', fresh('half'), '--overwrite')
  expect(command).toBe(`tersor convert ${at.model} --out ${fresh('half-again')} --dtype f16`)
})

it('tells a changed output, a changed source, and where nothing says how it was made', async () => {
  const out = fresh('changed')
  await json('compress', at.model, '--out', out, '--step', 'rtn(bits=4, group=8)')
  await writeFile(join(out, 'config.json'), '{}')
  const { code, err, out: printed } = await run(['repeat', out, '--out', fresh('not-the-same'), '--quiet'])
  expect([code, printed]).toEqual([1, expect.stringContaining('different: config.json')])
  expect(err).toContain('is not the same as')
  const source = fresh('source')
  await cp(at.model, source, { recursive: true })
  await json('compress', source, '--out', fresh('of-source'), '--step', 'rtn(bits=4, group=8)')
  await writeFile(join(source, 'generation_config.json'), '{"eos_token_id":1}')
  expect((await run(['repeat', fresh('of-source'), '--quiet'])).err).toContain('error BAD_DATA The model at')
  expect(await run(['repeat', at.model, '--quiet'])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/NOT_FOUND .* has no recipe: .*\nPass what/),
  })
  await writeFile(join(fresh('of-source'), 'tersor.recipe.json'), '{"steps":4}')
  expect((await run(['repeat', fresh('of-source'), '--quiet'])).err).toContain('error BAD_FILE')
})

it('says how a file without a recipe was made, as far as it tells', async () => {
  await json('compress', at.model, '--out', fresh('bare'), '--step', 'rtn(bits=3, group=8, only="model.layers.0.mlp.*")', '--seed', '2')
  await rm(join(fresh('bare'), 'tersor.recipe.json'))
  expect((await json('inspect', fresh('bare'))).madeBy).toBe(
    'tersor compress MODEL --out OUT --step "rtn(bits=3, group=8, only=model.layers.0.mlp.*)" --seed 2',
  )
  expect(await json('inspect', at.model)).not.toHaveProperty('madeBy')
})

it('writes a card that a hub takes, replaces only its own, and leaves the place free for --overwrite', async () => {
  const argv = ['compress', at.model, '--out', fresh('card'), '--step', 'rtn(bits=4, group=8)', '--evaluate', at.text]
  await json(...argv)
  const card = await readFile(join(fresh('card'), 'README.md'), 'utf8')
  expect(card).toMatch(
    /^---\nlibrary_name: tersor\npipeline_tag: text-generation\ntags:\n {2}- tersor\n {2}- compressed\n---\n\n# pico, compressed\n/,
  )
  expect(card).toContain('| before | ')
  expect(card).toContain('tersor compress pico --out OUT --step "rtn(bits=4, group=8)"')
  expect(card).not.toContain(at.folder) // nobody else has that path
  await json(...argv, '--overwrite')
  const folder = fresh('mine')
  await mkdir(folder)
  await writeFile(join(folder, 'README.md'), 'by hand\n')
  await json('convert', at.model, '--out', folder, '--format', 'gguf', '--overwrite')
  expect(await readFile(join(folder, 'README.md'), 'utf8')).toBe('by hand\n')
  expect((await readdir(folder)).sort()).toEqual(['README.md', 'model.gguf', 'tersor.recipe.json'])
})

describe('a config', () => {
  const inFolder = async (files: Readonly<Record<string, string>>, ...argv: string[]) => {
    const folder = fresh(`config-${Object.keys(files).join()}`)
    await mkdir(folder, { recursive: true })
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
    const before = process.cwd()
    process.chdir(folder)
    try {
      return await run([...argv, '--quiet', '--json'])
    } finally {
      process.chdir(before)
    }
  }
  const fields = (out: string) => ({ model: at.model, out: fresh(out), seed: 7, evaluate: at.text, report: fresh(`${out}.html`) })

  it.each([
    ['tersor.config.json', (out: string) => JSON.stringify({ ...fields(out), steps: [{ rtn: { bits: 4, group: 8 } }] })],
    [
      'tersor.config.yaml',
      (out: string) =>
        `${Object.entries(fields(out))
          .map(([name, value]) => `${name}: ${value}\n`)
          .join('')}steps:\n  - rtn: { bits: 4, group: 8 }\n`,
    ],
    ['tersor.config.mjs', (out: string) => `export default ${JSON.stringify({ ...fields(out), steps: 'rtn(bits=4, group=8)' })}`],
  ])('is found by itself: %s', async (name, text) => {
    const { code, out, err } = await inFolder({ [name]: text(`by-${name.replaceAll('.', '-')}`) }, 'compress')
    expect([code, err]).toEqual([0, ''])
    const { steps, quality } = JSON.parse(out)
    expect(steps).toMatchObject([{ method: 'rtn', options: { bits: 4, group: 8 } }])
    expect(quality.learned).toBe(false)
    expect(await readRecipe(fresh(`by-${name.replaceAll('.', '-')}`))).toMatchObject({ seed: 7, steps: ['rtn(group=8)'], model: at.model })
    expect(await readFile(fresh(`by-${name.replaceAll('.', '-')}.html`), 'utf8')).toContain('Error by layer')
  })

  it('says less than what is typed', async () => {
    const text = JSON.stringify({ ...fields('by-config'), steps: ['rtn(bits=4, group=8)'] })
    const { out } = await inFolder({ 'tersor.config.json': text }, 'compress', '--out', fresh('typed'), '--seed', '9')
    expect(basename(JSON.parse(out).out)).toBe('typed')
    expect((await readRecipe(fresh('typed')))!.seed).toBe(9)
  })

  it.each([
    ['{"model":', 'cannot be loaded: '],
    ['{"model":"x","step":[]}', 'does not export a pipeline by default.'],
    ['{"steps":[],"modle":"x"}', 'has a field "modle".\nIts fields are model, calibrate, steps'],
    ['{"steps":["rtn"],"seed":"7"}', 'has seed = "7".\nPass a number'],
    ['{"steps":[{"rtn":{},"gptq":{}}],"model":"x","out":"y"}', 'is no step.\nWrite it as'],
    ['{"steps":["rtn"],"out":"y"}', 'error BAD_OPTION No model was named.'],
  ])('that is wrong leaves nothing: %s', async (text, message) => {
    const { code, err } = await inFolder({ 'tersor.config.json': text }, 'compress')
    expect([code, err]).toEqual([2, expect.stringContaining(message)])
  })

  it('that throws is told in two lines', async () => {
    const { code, err } = await inFolder(
      { 'tersor.config.mjs': 'throw new Error("no luck")' },
      'compress',
      at.model,
      '--out',
      fresh('never'),
    )
    expect([code, err]).toEqual([2, expect.stringMatching(/cannot be loaded: no luck\nRun it with node/)])
  })
})
