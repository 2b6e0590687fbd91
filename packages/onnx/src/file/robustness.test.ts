import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { affineOf, createRng, forward, loadModel, matrixOf } from '@tersor/core'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { temporaryFolder } from '../../../formats/src/files/failing-file-system.fixture.js'
import { BINARY, concatenate, mutate, tries } from '../../../formats/src/files/mutations.fixture.js'
import { onnxSink, openOnnx, weightUses, withTrees } from '../file.js'
import { openOnnxModel, type OnnxModel } from '../model.js'
import { writeMlp } from './toy-graph.fixture.js'

const MUTATIONS = tries(2500)
const RUNS = tries(1000)
const LARGEST_ALLOCATION = 64 << 20
const LONGEST_MS = 2000

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await temporaryFolder()
  writeMlp(`${folder}/mlp.onnx`)
  const source = await openOnnx(`${folder}/mlp.onnx`)
  await (
    await onnxSink(`${folder}/external.onnx`, { source, external: true }).finish()
  ).close!()
  for (const form of ['MatMulNBits', 'QDQ'] as const) {
    const sink = onnxSink(`${folder}/${form}.onnx`, { source, form })
    const codes = Uint8Array.from({ length: 64 * 96 }, (_, i) => i % 16)
    const grid = affineOf({
      shape: [64, 96],
      bits: 4,
      group: 32,
      codes,
      scales: new Float32Array(192).fill(0.5),
      zeros: new Uint8Array(192),
    })
    await sink.write('up', matrixOf(grid, 1, [96, 64]))
    await (
      await sink.finish()
    ).close!()
  }
  await source.close()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Whether a graph runs on zeros; every error must have a code. */
const runs = async (model: OnnxModel): Promise<boolean> => {
  const { weights, dispose } = await loadModel(model)
  const x = tf.zeros(
    (model.inputs[0].shape ?? [2, 96]).map(extent => (typeof extent === 'number' && extent > 0 ? Math.min(extent, 4096) : 2)),
  )
  try {
    tf.dispose(tf.tidy(() => forward(model, x, { weights })))
    return true
  } catch (error) {
    if ((error as Error).name !== 'CompressionError') throw error
    return false
  } finally {
    x.dispose()
    dispose()
  }
}

const readAll = async (bytes: Uint8Array, external: Readonly<Record<string, Blob>>): Promise<void> => {
  const { params, graph, tensors, close } = withTrees(await openOnnx(new Blob([bytes as BlobPart]), { external }))
  weightUses(graph, tensors)
  for (const name of params.names()) await params.read(name)
  await close()
}

it.each(['mlp.onnx', 'external.onnx', 'MatMulNBits.onnx', 'QDQ.onnx'])(
  `gives ${MUTATIONS} coded errors or graphs, in bounded time and memory: %s`,
  async name => {
    const whole = new Uint8Array(readFileSync(`${folder}/${name}`))
    // damage to weights is no damage to the file: the bytes before them are what is mutated, and sometimes the end
    const head = { 'mlp.onnx': 700, 'MatMulNBits.onnx': 1200, 'QDQ.onnx': 1200 }[name] ?? whole.length
    const external = { 'external.onnx_data': new Blob([readFileSync(`${folder}/external.onnx_data`) as BlobPart]) }
    await readAll(whole, external)
    const rng = createRng(13)
    let [refused, longest, largest] = [0, 0, 0]
    for (let i = 0; i < MUTATIONS; i++) {
      const damaged = mutate(whole.subarray(0, head), BINARY, rng)
      const mutated = rng.uniform() < 0.1 ? damaged : concatenate(damaged, whole.subarray(head))
      const [started, before] = [performance.now(), process.memoryUsage()]
      await readAll(mutated, external).catch((error: Error & { code?: string }) => {
        refused++
        if (error.name !== 'CompressionError' || error.message.split('\n').length !== 2)
          throw new Error(`graph ${i} (${Buffer.from(mutated.subarray(0, 2000)).toString('base64')})`, { cause: error })
      })
      const after = process.memoryUsage()
      longest = Math.max(longest, performance.now() - started)
      largest = Math.max(largest, after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed)
    }
    expect(longest).toBeLessThan(LONGEST_MS)
    expect(largest).toBeLessThan(LARGEST_ALLOCATION)
    expect(refused).toBeGreaterThan(MUTATIONS / 3)
  },
)

it('opens few graphs that then do not run', async () => {
  const rng = createRng(21)
  let [opened, failed] = [0, 0]
  for (const name of ['mlp.onnx', 'MatMulNBits.onnx', 'QDQ.onnx']) {
    const whole = new Uint8Array(readFileSync(`${folder}/${name}`))
    for (let i = 0; i < RUNS; i++) {
      const bytes = concatenate(mutate(whole.subarray(0, 1200), BINARY, rng), whole.subarray(1200))
      const model = await openOnnxModel(new Blob([bytes])).catch(() => undefined)
      if (!model) continue
      opened++
      failed += Number(!(await runs(model)))
      await model.close?.()
    }
  }
  expect(opened).toBeGreaterThan(RUNS / 4)
  // names of operators that only ONNX Runtime has, and extents that do not fit; one in ten before operators were checked
  expect(failed / opened).toBeLessThan(0.025)
})

it.each(['/etc/passwd', '../secret', 'a/../../b', 'C:\\secret', ''])(
  'reads no data outside of the folder of the model: %s',
  async location => {
    const text = readFileSync(`${folder}/external.onnx`).toString('latin1')
    const from = '\x12\x12external.onnx_data'
    expect(text).toContain(from)
    const to = `\x12${String.fromCharCode(18)}${location.padEnd(18, location === '' ? '\0' : '/x')}`
    await expect(readAll(new Uint8Array(Buffer.from(text.replaceAll(from, to), 'latin1')), {})).rejects.toThrow('keeps its data at')
  },
)
