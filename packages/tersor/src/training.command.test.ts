import * as tf from '@tensorflow/tfjs-core'
import { compress, createRng, pipeline, type Model, type ProgressEvent, type RunOptions, type Step } from '@tersor/core'
import { distill, softLabels } from '@tersor/distillation'
import { huggingFaceSink } from '@tersor/formats/huggingface'
import { scratchFolder } from '@tersor/formats/scratch'
import { selectEngine } from '@tersor/kernels'
import { lora } from '@tersor/low-rank'
import { generate, openModel, picoLlama, type LanguageModel } from '@tersor/models'
import { lsq, qat, rtn } from '@tersor/quantization'
import { bytesOfModel, outputOf, relativeError } from '@tersor/testing'
import type { Encoded } from '@tersor/tensor'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { byteTokenizerJson } from './byte-tokenizer.fixture.js'
import { main } from './index.js'

const model = picoLlama({ layers: 1, vocabulary: 64, seed: 5 })
let folder = ''
let batches: tf.Tensor[] = []

beforeAll(async () => {
  expect((await selectEngine({ engine: 'ort' })).engine).toBe('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-training-'))
  batches = [1, 2, 3].map(seed =>
    tf.tensor2d(
      Int32Array.from({ length: 64 }, (_, i) => (i * (7 + seed) + seed) % 61),
      [4, 16],
      'int32',
    ),
  )
})
afterAll(async () => {
  tf.dispose(batches)
  await rm(folder, { recursive: true, force: true })
})

const run = (step: Step, more: RunOptions<typeof model> = {}) => compress(model, step, { calibration: batches, seed: 2, ...more })
const errorOf = async (small: Model): Promise<number> => relativeError(await outputOf(model, batches[0]), await outputOf(small, batches[0]))
const sinkOf = () => new Writable({ write: (_chunk, _encoding, done) => done() })
const coarse = () => rtn({ bits: 2, group: 8 })

it('learns back in a pipeline what rounding lost, with the codes as they were', async () => {
  const rounded = await run(coarse())
  const name = 'model.layers.0.mlp.up_proj.weight'
  const codes = async ({ params }: Model, base: boolean) => {
    const tree = (await params.read(name)) as Encoded
    return ((base ? tree.parts.base : tree) as Encoded).parts.data
  }
  const distilled = await run(pipeline(coarse(), distill({ steps: 30, rate: 0.01 })))
  const adapted = await run(pipeline(coarse(), lora({ rank: 4, steps: 30, rate: 0.01 })))
  for (const [small, base] of [
    [distilled, false],
    [adapted, true],
  ] as const) {
    // prettier-ignore
    expect(await errorOf(small)).toBeLessThan(0.8 * (await errorOf(rounded)))
    expect(await codes(small, base)).toEqual(await codes(rounded, false))
  }
  expect(adapted.params.info('model.norm.weight')).toEqual(model.params.info('model.norm.weight'))
})

it('trains for rounding, better than rounding alone', async () => {
  const learned = await run(qat({ parametrization: lsq({ bits: 2, granularity: 'row' }), terms: [softLabels()], steps: 60, rate: 0.01 }))
  expect(await errorOf(learned)).toBeLessThan(0.9 * (await errorOf(await run(rtn({ bits: 2, granularity: 'row' })))))
})

it('goes on from a checkpoint of the scratch folder to the same bytes, wherever it was stopped', async () => {
  const steps = pipeline(
    coarse(),
    distill({ steps: 6, rows: 4, rate: 0.01, terms: [softLabels()], checkpoint: 2 }),
    lora({ rank: 2, steps: 4, rows: 4, checkpoint: 1 }),
  )
  const whole = await bytesOfModel(await run(steps))
  const rng = createRng(3)
  for (let kill = 0; kill < (process.env.TERSOR_SLOW === '1' ? 20 : 3); kill++) {
    const scratch = join(folder, `stopped-${kill}`)
    const controller = new AbortController()
    let left = 1 + rng.integer(9)
    const onProgress = (event: ProgressEvent) => void (event.type === 'trained' && --left === 0 && controller.abort(new Error('stopped')))
    const first = scratchFolder(scratch)
    await expect(run(steps, { scratch: first, signal: controller.signal, onProgress })).rejects.toThrow('stopped')
    await first.close()
    const seen: string[] = []
    const resumed = await run(steps, { scratch: scratchFolder(scratch), resume: true, onProgress: event => seen.push(event.type) })
    expect(await bytesOfModel(resumed)).toEqual(whole)
    expect(seen).toContain('resumed')
  }
})

describe('the command line', () => {
  const run = async (...argv: string[]) => {
    const texts = { out: '', err: '' }
    const stream = (name: 'out' | 'err') => new Writable({ write: (chunk, _encoding, done) => ((texts[name] += String(chunk)), done()) })
    return {
      code: await main(['compress', source(), ...argv, '--calibrate', text(), '--quiet'], { out: stream('out'), err: stream('err') }),
      ...texts,
    }
  }
  const source = () => join(folder, 'pico')
  const text = () => join(folder, 'text.txt')

  beforeAll(async () => {
    const pico = picoLlama({ layers: 1, dtype: 'bf16', context: 32, seed: 3 })
    const files = { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(byteTokenizerJson())) }
    const sink = huggingFaceSink(source(), { config: pico.rawConfig, files })
    for (const name of pico.params.names()) await sink.write(name, await pico.params.read(name))
    await (await sink.finish()).close?.()
    await writeFile(text(), 'the old man and the sea and the boat '.repeat(30))
  })

  it('trains by steps whose options are calls', async () => {
    const byStep = join(folder, 'by-step')
    const calls = [
      'rtn(bits=3, group=8)',
      'distill(steps=2, rows=2, terms=[soft-labels(temperature=3)], weights=[2])',
      'lora(rank=2, steps=2, rows=2)',
    ]
    const told = await run('--out', byStep, ...calls.flatMap(call => ['--step', call]))
    expect([told.code, told.err]).toEqual([0, ''])
    expect(told.out).toContain('terms=[soft-labels(temperature=3)] weights=[2]')
    const opened = await openModel(byStep)
    expect(opened.params.info('model.layers.0.mlp.up_proj.weight').codec).toBe('sum')
    expect(opened.provenance?.map(({ method }) => method)).toEqual(['rtn', 'distill', 'lora', 'pack'])
    await opened.close?.()
  })

  it('trains with weights rounded', async () => {
    const out = join(folder, 'qat')
    const call = 'qat(parametrization=lsq(bits=4, granularity=row), steps=2, rows=2)'
    const told = await run('--out', out, '--step', call)
    expect([told.code, told.err]).toEqual([0, ''])
    expect(told.out).toContain('parametrization=lsq(bits=4, granularity=row)')
    const opened = await openModel(out)
    expect(opened.params.info('model.layers.0.mlp.up_proj.weight').codec).toBe('affine')
    expect(opened.provenance?.[0]).toMatchObject({ method: 'qat', options: { parametrization: { name: 'lsq', options: { bits: 4 } } } })
    await opened.close?.()
  })

  it.each([
    ['quantized-distillation(bits=3, bucket=8)', 'ranged'],
    ['differentiable-quantization(bits=2, bucket=8)', 'levels'],
    ['weight-compander(reach=3)', undefined],
  ])('trains with %s', async (parametrization, codec) => {
    const out = join(folder, parametrization.slice(0, 9))
    const told = await run('--out', out, '--step', `qat(parametrization=${parametrization}, steps=2, rows=2)`)
    expect([told.code, told.err]).toEqual([0, ''])
    const opened = await openModel(out)
    expect(opened.params.info('model.layers.0.mlp.up_proj.weight').codec).toBe(codec)
    await opened.close?.()
  })

  it('learns a prompt, which comes back with the folder and has no place in other formats', async () => {
    const out = join(folder, 'prompted')
    const steps = ['--step', 'rtn(bits=3, group=8)', '--step', 'compress-then-prompt(vectors=4, steps=2, rows=2)']
    const told = await run('--out', out, ...steps)
    expect([told.code, told.err]).toEqual([0, ''])
    const opened = (await openModel(out)) as LanguageModel
    expect([opened.notes, opened.contextLength]).toEqual([[], 32 - 4])
    const measured = await main(['evaluate', out, '--data', text(), '--json'], { out: sinkOf(), err: sinkOf() })
    expect(measured).toBe(0)
    const ids: number[] = []
    for await (const { id } of generate(opened, { prompt: [1, 2], tokens: 3 })) ids.push(id)
    expect(ids).toHaveLength(3)
    await opened.close?.()
    const refusal = 'The format gguf has no place for a prompt of vectors.\nUse --format huggingface.'
    const planned = await run('--out', `${out}.gguf`, '--format', 'gguf', ...steps)
    expect([planned.code, planned.err]).toEqual([1, expect.stringContaining(refusal)])
    const lines: string[] = []
    const err = new Writable({ write: (chunk, _encoding, done) => (lines.push(String(chunk)), done()) })
    expect(await main(['convert', out, '--out', `${out}.gguf`, '--format', 'gguf'], { out: sinkOf(), err })).toBe(1)
    expect(lines.join('')).toContain(refusal)
  })
})
