import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, withStoredGrids } from '@tersor/core'
import { ONNX_FORMS, onnxSink, type OnnxForm } from '../file.js'
import { gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { casesTried } from '@tersor/testing'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ODD_GRAPHS, type OddGraph } from '../file/odd-graphs.fixture.js'
import { floats, runOnnx } from '../file/run.fixture.js'
import { values } from '../file/toy-graph.fixture.js'
import { openOnnxModel, type OnnxModel } from '../model.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-odd-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

const feedsOf = ({ inputs }: OddGraph) =>
  Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, floats(values(size(shape), 77), shape)]))

const inputOf = ({ inputs }: OddGraph): tf.Tensor => tf.tensor(values(size(Object.values(inputs)[0]), 77), [...Object.values(inputs)[0]])

const ours = async (model: OnnxModel, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const result = forward(model, x, { weights })
  dispose()
  const data = (await result.data()) as Float32Array
  result.dispose()
  return data
}

const write = async (model: OnnxModel, small: OnnxModel, path: string, form?: OnnxForm): Promise<void> => {
  const sink = onnxSink(path, { source: model.onnx, overwrite: true, ...(form ? { form } : {}) })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (
    await sink.finish()
  ).close!()
}

/** ‖a − b‖ / ‖a‖. */
const relative = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(b.length).toBe(a.length)
  const norm = (of: (i: number) => number) => Math.sqrt(Array.from(a, (_, i) => of(i) ** 2).reduce((sum, each) => sum + each, 0))
  return norm(i => a[i] - b[i]) / norm(i => a[i])
}

/** Of a graph one form, each in turn; all of them in the slow run. */
const formsTried = (at: number): readonly OnnxForm[] => casesTried([...ONNX_FORMS.slice(at), ...ONNX_FORMS.slice(0, at)], ONNX_FORMS.length)

describe.each(Object.keys(ODD_GRAPHS).map((name, i) => ({ name, forms: formsTried(i % ONNX_FORMS.length) })))(
  '$name',
  ({ name, forms }) => {
    const graph = ODD_GRAPHS[name]
    const path = () => join(folder, 'odd.onnx')
    let model: OnnxModel
    let x: tf.Tensor
    let before: Awaited<ReturnType<typeof runOnnx>>
    beforeAll(async () => {
      await writeFile(path(), graph.bytes())
      model = await openOnnxModel(path())
      x = inputOf(graph)
      before = await runOnnx(path(), feedsOf(graph))
    })
    afterAll(async () => {
      x.dispose()
      await model.close!()
    })

    it('is found, runs as its runtime runs it, and is written unchanged where nothing changed', async () => {
      expect(model.stages[0].sites.map(({ weight }) => weight)).toEqual(graph.weights)
      expect(graph.weights.every(weight => model.stages[0].parameters.includes(weight))).toBe(true)
      expect(model.stages[0].differentiable).toBe(false) // so that nobody trains it
      expect(relative(before.y.data, await ours(model, x))).toBeLessThan(1e-5)
      const copy = join(folder, 'copy.onnx')
      await write(model, model, copy)
      expect(relative(before.y.data, (await runOnnx(copy, feedsOf(graph))).y.data)).toBeLessThan(1e-5)
    })

    it.each(forms)('becomes smaller and stays the same network: %s', async form => {
      const small = await compress(model, rtn({ bits: 8, granularity: 'row', only: '*' }))
      const out = join(folder, 'small.onnx')
      await write(model, small, out, form)
      const after = await runOnnx(out, feedsOf(graph), 'disabled')
      for (const output of Object.keys(before)) expect(relative(before[output].data, after[output].data)).toBeLessThan(0.03)
      const compressed = await ours(small, x)
      if (form !== 'dynamic') expect(relative(compressed, after.y.data)).toBeLessThan(1e-5)
      expect(relative(before.y.data, compressed)).toBeGreaterThan(1e-5)
      expect((await stat(out)).size).toBeLessThan(0.62 * (await stat(path())).size)
      const again = await openOnnxModel(out)
      if (form !== 'dynamic') expect(relative(compressed, await ours(again, x))).toBeLessThan(1e-5)
      await again.close!()
    })

    it('takes groups where its form holds them, and whole rows elsewhere', async () => {
      const small = await compress(model, rtn({ bits: 4, group: 16, only: '*' }))
      const out = join(folder, 'groups.onnx')
      await write(model, small, out)
      expect(relative(await ours(small, x), (await runOnnx(out, feedsOf(graph), 'disabled')).y.data)).toBeLessThan(1e-5)
    })

    it('is compressed by what learns from inputs, also where inputs cannot be shown', async () => {
      const tensors = tf.memory().numTensors
      const small = await compress(model, gptq({ bits: 8, granularity: 'row', only: '*' }), { calibration: [x] })
      expect(tf.memory().numTensors).toBe(tensors)
      expect(relative(await ours(model, x), await ours(small, x))).toBeLessThan(0.03)
    })
  },
)

it('shows the sequence to what a recurrence of one direction multiplies it by, and nothing to what multiplies its own outputs', async () => {
  const path = join(folder, 'recurrences.onnx')
  await writeFile(path, ODD_GRAPHS.recurrences.bytes())
  const model = await openOnnxModel(path)
  const x = inputOf(ODD_GRAPHS.recurrences) // (tokens, batch, in)
  const { weights, dispose } = await loadModel(model)
  const seen: [string, number[], number[]][] = []
  const tap = (site: { weight: string }, input: tf.Tensor): void => void seen.push([site.weight, input.shape, [...input.dataSync()]])
  tf.tidy(() => void forward(model, x, { weights, tap }))
  expect(seen).toEqual([['w', x.shape, [...x.dataSync()]]])
  x.dispose()
  dispose()
  await model.close!()
})

it('lays grids on the sequence of a recurrence, in what runs and in what is written', async () => {
  const path = join(folder, 'recurrences.onnx')
  const model = await openOnnxModel(path)
  const x = inputOf(ODD_GRAPHS.recurrences)
  const small = await compress(model, quantizeActivations({ bits: 8, only: '*' }), { calibration: [x] })
  expect(small.params.names().filter(name => name.endsWith('.input_scale'))).toHaveLength(1)
  const { weights, dispose } = await loadModel(small)
  const rounded = tf.tidy(() => forward(small, x, withStoredGrids(small, { weights })))
  const after = await rounded.data<'float32'>()
  expect(relative(await ours(model, x), after)).toBeGreaterThan(1e-5)
  const out = join(folder, 'recurrences-rounded.onnx')
  await write(model, small, out)
  expect(relative(after, (await runOnnx(out, feedsOf(ODD_GRAPHS.recurrences), 'disabled')).y.data)).toBeLessThan(1e-5)
  tf.dispose([x, rounded])
  dispose()
  await model.close!()
})
