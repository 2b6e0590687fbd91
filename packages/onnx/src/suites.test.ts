import '@tensorflow/tfjs-backend-cpu'
import { describeSink, describeStore } from '@tersor/testing'
import { fromFloat32, type ParameterStore } from '@tersor/tensor'
import { rm } from 'node:fs/promises'
import { failingFileSystem, temporaryFolder } from '../../formats/src/files/failing-file-system.fixture.js'
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

describeStore('ONNX', () => storeAt(`${folder}/mlp.onnx`))
