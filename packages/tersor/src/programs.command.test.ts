import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { eora } from '@tersor/low-rank'
import { rtn } from '@tersor/quantization'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { json } from './command.fixture.js'
import { scene } from './scene.fixture.js'
import { compare, compressModel, quantize, readCalibration } from './index.js'
import { readRecipe } from './recipe.js'

const { at, fresh } = scene({ layers: 1 })

it('does what the command does', async () => {
  const notes: string[] = []
  const passes: string[] = []
  const result = await compressModel({
    ...{ model: at.model, out: fresh('ours'), steps: 'gptq(bits=4, group=8)', calibrate: at.text, seed: 3 },
    onNote: line => void notes.push(line),
    onProgress: event => void (event.type === 'pass' && passes.push(event.pass)),
  })
  const theirs = await json(
    'compress',
    at.model,
    '--out',
    fresh('theirs'),
    '--step',
    'gptq(bits=4, group=8)',
    '--calibrate',
    at.text,
    '--seed',
    '3',
  )
  const file = (name: string) => readFile(join(fresh(name), 'model.safetensors'))
  expect(await file('ours')).toEqual(await file('theirs'))
  expect({ ...result, out: '', seconds: 0 }).toEqual({ ...theirs, out: '', seconds: 0 })
  expect(notes[0]).toContain('engine ort')
  expect(passes).toEqual(['gptq', 'pack'])
})

it('takes steps as values, and writes down how they are called', async () => {
  const steps = [rtn({ bits: 3, group: 8 }), eora({ rank: 2 })]
  await compressModel({ model: at.model, out: fresh('values'), steps, calibrate: at.text, quality: false })
  expect((await readRecipe(fresh('values')))!.steps).toEqual(['rtn(bits=3, group=8)', 'eora(rank=2)'])
  expect(await json('repeat', fresh('values'))).toMatchObject({ same: true })
})

it('rounds to a few bits as the format has them', async () => {
  const methods = async (out: string, more: object) =>
    (await quantize({ model: at.model, out, bits: 8, ...more })).steps.map(({ method }) => method)
  expect(await methods(fresh('plain'), {})).toEqual(['rtn'])
  expect(await methods(fresh('learned'), { calibrate: at.text, group: 8 })).toEqual(['gptq'])
  expect(await methods(fresh('blocks.gguf'), {})).toEqual(['k-quant'])
})

it('compares, and reads calibration as the command does', async () => {
  await quantize({ model: at.model, out: fresh('four'), group: 8 })
  const [first, second] = await compare([at.model, fresh('four')], { data: at.text, timed: 0, tokens: 200 })
  expect(second.kl).toBeGreaterThan(0)
  expect(first.bytes).toBeGreaterThan(second.bytes)
  const batches = await readCalibration(at.model, at.text)
  expect(batches.reduce((sum, batch) => sum + batch.size, 0)).toBeGreaterThan(500)
  tf.dispose(batches)
})

it('stops when it is told to, and leaves no tensor and nothing half-written', async () => {
  await compare([at.model], { data: at.text, timed: 0 })
  const [tensors, before] = [tf.memory().numTensors, await readdir(at.folder)]
  const controller = new AbortController()
  const options = { model: at.model, out: fresh('never'), steps: 'rtn(bits=4, group=8)', signal: controller.signal }
  await expect(compressModel({ ...options, onProgress: () => controller.abort(new Error('enough')) })).rejects.toThrow('enough')
  const advance = new AbortController()
  const stopped = compare([at.model, at.model], {
    data: at.text,
    signal: advance.signal,
    onAdvance: () => advance.abort(new Error('enough')),
  })
  await expect(stopped).rejects.toThrow('enough')
  expect(tf.memory().numTensors).toBe(tensors)
  expect(await readdir(at.folder)).toEqual(before)
})

it.each([
  [{ seed: -1 }, 'seed is -1.\nPass a whole number of at least 0.'],
  [{ bits: 9 }, 'bits is 9.\nPass a whole number from 2 to 8.'],
  [{ group: 0.5 }, 'group is 0.5.\nPass a whole number of at least 1.'],
  [{ model: '' }, 'model is "".\nPass a path.'],
  [{ format: 'zip' as 'gguf' }, 'zip'],
])('checks options before anything is done: %j', async (wrong, message) => {
  await expect(quantize({ model: at.model, out: fresh('never'), ...wrong })).rejects.toMatchObject({
    code: 'BAD_OPTION',
    message: expect.stringContaining(message),
  })
})

it('says which engine is missing and how it is installed', async () => {
  process.env.TERSOR_ENGINE = 'webgpu'
  try {
    await expect(compare([at.model])).rejects.toMatchObject({
      code: 'NO_ENGINE',
      message: expect.stringContaining('npm install @tensorflow/tfjs-backend-webgpu'),
    })
  } finally {
    process.env.TERSOR_ENGINE = 'ort'
  }
})
