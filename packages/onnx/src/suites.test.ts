import '@tensorflow/tfjs-backend-cpu'
import { describeSink, describeStore } from '@tersor/testing'
import { fromFloat32, type Parameter, type ParameterStore } from '@tersor/tensor'
import { rm } from 'node:fs/promises'
import { failingFileSystem, temporaryFolder } from '../../formats/src/files/failing-file-system.fixture.js'
import { picoLlama } from '@tersor/models/pico-llama'
import { onnxDecoderSink } from './decoder.js'
import { onnxSink, openOnnx, type Onnx } from './file.js'
import { values, writeMlp } from './file/toy-graph.fixture.js'

let folder = ''
let source: Onnx
beforeAll(async () => {
  folder = await temporaryFolder()
  writeMlp(`${folder}/mlp.onnx`)
  source = await openOnnx(`${folder}/mlp.onnx`)
})
afterAll(async () => {
  await source.close()
  await rm(folder, { recursive: true, force: true })
})

const storeAt = async (path: string): Promise<ParameterStore> => {
  const { params, close } = await openOnnx(path)
  return { ...params, close }
}

describeSink('ONNX', {
  ends: '.onnx',
  parameters: { up: fromFloat32(values(96 * 64, 7), 'f32', [96, 64]), down: fromFloat32(values(24 * 64, 8), 'f32', [24, 64]) },
  make: (path, { overwrite = false, capacity }) =>
    onnxSink(path, { source, overwrite, ...(capacity === undefined ? {} : { fileSystem: failingFileSystem({ capacity }) }) }),
  open: storeAt,
})

const pico = picoLlama({ layers: 1, hidden: 8, feedForward: 8, heads: 2, keyValueHeads: 2, vocabulary: 8, context: 8 })
/** Equal to what a graph holds of it, turned. */
const symmetric = Float32Array.from({ length: 64 }, (_, i) => (((1 + (i >> 3)) * (1 + (i & 7))) % 7) / 8)
const ofShape = (shape: readonly number[]): Parameter =>
  fromFloat32(shape.length === 2 ? symmetric : symmetric.subarray(0, 8), 'f32', shape)

describeSink('a folder for transformers.js', {
  parameters: Object.fromEntries(pico.params.names().map(name => [name, ofShape(pico.params.info(name).shape)])),
  make: (path, { overwrite = false, capacity }) =>
    onnxDecoderSink(path, pico, { overwrite, ...(capacity === undefined ? {} : { fileSystem: failingFileSystem({ capacity }) }) }),
  open: path => storeAt(`${path}/onnx/model.onnx`),
})

describeStore('ONNX', () => storeAt(`${folder}/mlp.onnx`))
