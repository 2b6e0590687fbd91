import { huggingFaceSink, openHuggingFace } from '@tersor/formats/huggingface'
import { memoryFileSystem } from '@tersor/formats/memory'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { fromFloat32, toFloat32, type Dense } from '@tersor/tensor'
import { failure } from './files/failing-file-system.fixture.js'

const text = async (blob: Blob): Promise<string> => new TextDecoder().decode(await blob.arrayBuffer())
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const norm = fromFloat32([1, 2, 3], 'f32', [3])

it('finds what was put, in folders that come with it', async () => {
  const fs = memoryFileSystem({ 'model/config.json': bytes('{}'), 'model/onnx/model.onnx': new Blob(['graph']) })
  expect(fs.paths()).toEqual(['model/config.json', 'model/onnx/model.onnx'])
  expect(await fs.readdir('/model')).toEqual(['config.json', 'onnx'])
  expect((await fs.stat('model/onnx')).isDirectory()).toBe(true)
  expect((await fs.stat('./model/config.json')).isDirectory()).toBe(false)
  expect(await text(fs.blob('model/onnx/model.onnx'))).toBe('graph')
})

it('reads no more of a Blob than is asked for', async () => {
  const asked: number[][] = []
  class Watched extends Blob {
    override slice(from?: number, to?: number): Blob {
      asked.push([from!, to!])
      return super.slice(from, to)
    }
    override async arrayBuffer(): Promise<ArrayBuffer> {
      throw new Error('the whole of it was read')
    }
  }
  const file = await memoryFileSystem({ a: new Watched(['0123456789']) }).open('a', 'r')
  const room = new Uint8Array(4)
  expect(await file.read(room, 1, 3, 5)).toEqual({ bytesRead: 3 })
  expect([...room]).toEqual([0, 53, 54, 55])
  expect(await file.read(room, 0, 4, 8)).toEqual({ bytesRead: 2 })
  expect(asked).toEqual([
    [5, 8],
    [8, 12],
  ])
})

it('writes over the ends of pages, wherever it is told to, with zeros between', async () => {
  const fs = memoryFileSystem()
  const file = await fs.open('a', 'wx+')
  const page = 2 ** 20
  await file.write(new Uint8Array([0, 1, 2, 3, 4]), 1, 4, page - 2)
  expect(await file.stat()).toEqual({ size: page + 2 })
  const room = new Uint8Array(8).fill(9)
  expect(await file.read(room, 0, 8, page - 4)).toEqual({ bytesRead: 6 })
  expect([...room]).toEqual([0, 0, 1, 2, 3, 4, 9, 9])
  expect(fs.blob('a').size).toBe(page + 2)
  expect([
    ...new Uint8Array(
      await fs
        .blob('a')
        .slice(page - 2)
        .arrayBuffer(),
    ),
  ]).toEqual([1, 2, 3, 4])
})

it('keeps names as a disk does', async () => {
  const fs = memoryFileSystem({ a: bytes('a'), 'folder/b': bytes('b') })
  const code = (call: Promise<unknown>): Promise<unknown> => call.then(() => 'done', (error: { code?: string }) => error.code) // prettier-ignore
  expect(await code(fs.open('c', 'r'))).toBe('ENOENT')
  expect(await code(fs.open('folder', 'r'))).toBe('EISDIR')
  expect(await code(fs.open('a', 'wx+'))).toBe('EEXIST')
  expect(await code(fs.mkdir('folder'))).toBe('EEXIST')
  expect(await code(fs.mkdir('none/folder'))).toBe('ENOENT')
  expect(await code(fs.readdir('a'))).toBe('ENOTDIR')
  expect(await code(fs.open('a/b', 'wx+'))).toBe('ENOTDIR')
  await fs.mkdir('other')
  expect(await code(fs.rename('other', 'folder'))).toBe('ENOTEMPTY')
  expect(await code(fs.rename('other', 'a'))).toBe('ENOTDIR')
  expect(await code(fs.rename('a', 'folder'))).toBe('EISDIR')
  await fs.rename('folder', 'other')
  await fs.rename('a', 'other/b')
  expect(fs.paths()).toEqual(['other/b'])
  expect(await text(fs.blob('other/b'))).toBe('a')
  await fs.rm('other', { recursive: true, force: true })
  await fs.rm('other', { recursive: true, force: true })
  expect(fs.paths()).toEqual([])
})

it('says what to do where there is no such file, and where none can be', async () => {
  const fs = memoryFileSystem({ 'a/b': bytes('b') })
  expect(await failure(() => fs.blob('a'))).toBe('NOT_FOUND: There is no file a.\nCheck the path.')
  expect(await failure(() => fs.put('a', bytes('')))).toBe(
    'BAD_OPTION: a cannot be a file here.\nChoose a path where no folder stands, and no file above it.',
  )
  expect(await failure(() => fs.put('a/b/c', bytes('')))).toMatch(/^BAD_OPTION: a\/b\/c cannot/)
})

it('holds a folder that a sink wrote, whole at the end and with nothing beside it', async () => {
  const fileSystem = memoryFileSystem()
  const sink = huggingFaceSink('small', { config: { model_type: 'llama' }, fileSystem })
  await sink.write('model.norm.weight', norm)
  expect(fileSystem.paths().every(path => path.startsWith('small.partial-'))).toBe(true)
  await (await sink.finish()).close?.()
  expect(fileSystem.paths()).toEqual(['small/.tersor.json', 'small/config.json', 'small/model.safetensors'])
  const { params, config } = await openHuggingFace('small', { fileSystem })
  expect(config).toEqual({ model_type: 'llama' })
  expect([...toFloat32((await params.read('model.norm.weight')) as Dense)]).toEqual([1, 2, 3])
})

it('replaces what Tersor wrote and keeps what it did not, and leaves nothing of what was aborted', async () => {
  const fileSystem = memoryFileSystem({ 'foreign.safetensors': bytes('of another program') })
  const write = async (path: string, end: 'finish' | 'abort', overwrite = true): Promise<unknown> => {
    const sink = safetensorsSink(path, { fileSystem, overwrite })
    await sink.write('w', norm)
    return end === 'finish' ? sink.finish() : sink.abort()
  }
  await write('a.safetensors', 'finish', false)
  expect(await failure(() => write('a.safetensors', 'finish', false))).toMatch(/^OUTPUT_EXISTS: a.safetensors exists./)
  await write('a.safetensors', 'finish')
  expect(await failure(() => write('foreign.safetensors', 'finish'))).toMatch(/^OUTPUT_EXISTS: .* was not written by Tersor/)
  await write('b.safetensors', 'abort')
  expect(fileSystem.paths()).toEqual(['a.safetensors', 'foreign.safetensors'])
  const written = await openSafetensors(fileSystem.blob('a.safetensors'))
  expect(written.names()).toEqual(['w'])
})
