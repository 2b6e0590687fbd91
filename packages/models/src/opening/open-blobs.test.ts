import { selectEngine } from '@tersor/kernels'
import { memoryFileSystem } from '@tersor/formats/memory'
import { ggufFormat } from '@tersor/models/internal/formats/gguf'
import { huggingFaceFormat } from '@tersor/models/internal/formats/huggingface'
import { locateModel, openModel } from '@tersor/models/open-model'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const BUNDLED = join(__dirname, '../../../../examples/bundled-model/model')

/** A folder as a page gets it when it is dropped there. */
const dropped = async () => {
  const names = await readdir(BUNDLED)
  return memoryFileSystem(
    Object.fromEntries(await Promise.all(names.map(async name => [`model/${name}`, await readFile(join(BUNDLED, name))] as const))),
  )
}

beforeAll(() => selectEngine())

it('opens a folder of Blobs as it opens the folder on the disk', async () => {
  const fileSystem = await dropped()
  const [inMemory, onDisk] = [await openModel('model', { fileSystem }), await openModel(BUNDLED)]
  const name = 'model.layers.0.mlp.up_proj.weight'
  expect(inMemory.params.names()).toEqual(onDisk.params.names())
  expect(await inMemory.params.read(name)).toEqual(await onDisk.params.read(name))
  expect('tokenizer' in inMemory && inMemory.tokenizer!.encode('The king')).toEqual(
    'tokenizer' in onDisk && onDisk.tokenizer!.encode('The king'),
  )
  await Promise.all([inMemory.close?.(), onDisk.close?.()])
})

it('takes the formats that it is given, and those that are installed where none are', async () => {
  const fileSystem = await dropped()
  const { format } = await locateModel('model', { fileSystem, formats: [huggingFaceFormat, ggufFormat] })
  expect(format).toBe(huggingFaceFormat)
  const graph = memoryFileSystem({ 'a.onnx': new Uint8Array([1]) })
  await expect(openModel('a.onnx', { fileSystem: graph, formats: [ggufFormat] })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  await expect(openModel('a.onnx', { fileSystem: graph })).rejects.toMatchObject({ code: 'BAD_FILE' })
  await expect(openModel('b.onnx', { fileSystem: graph })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
