import '@tensorflow/tfjs-backend-cpu'
import { affineOf, createRng, matrixOf } from '@tersor/core'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { temporaryFolder } from '../../../formats/src/failing-file-system.reference.js'
import { BINARY, mutate } from '../../../formats/src/mutations.reference.js'
import { onnxSink, openOnnx, weightUses, withTrees } from '../file.js'
import { writeMlp } from './toy-graph.reference.js'

const MUTATIONS = 2500
const LARGEST_ALLOCATION = 64 << 20
const LONGEST_MS = 2000

let folder = ''
beforeAll(async () => {
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
    let refused = 0
    for (let i = 0; i < MUTATIONS; i++) {
      const mutated = Uint8Array.from([
        ...mutate(whole.subarray(0, head), BINARY, rng),
        ...(rng.uniform() < 0.1 ? [] : whole.subarray(head)),
      ])
      const [started, before] = [performance.now(), process.memoryUsage()]
      await readAll(mutated, external).catch((error: Error & { code?: string }) => {
        refused++
        if (error.name !== 'CompressionError' || error.message.split('\n').length !== 2)
          throw new Error(`graph ${i} (${Buffer.from(mutated.subarray(0, 2000)).toString('base64')})`, { cause: error })
      })
      const after = process.memoryUsage()
      expect(performance.now() - started).toBeLessThan(LONGEST_MS)
      expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(LARGEST_ALLOCATION)
    }
    expect(refused).toBeGreaterThan(MUTATIONS / 3)
  },
)

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
