import { CompressionError, fromFloat32, fromIntegers, toInt32, type Dense, type Parameter } from '@tersor/tensor'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTfjs } from './open.js'
import { tfjsSink, type TfjsSinkOptions, type TfjsTopology } from './sink.js'

let folder = ''
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-sink-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const vector = (...values: number[]) => fromFloat32(values, 'f32', [values.length])
const shape = fromIntegers([-1, 3], 'i32', [2])

/** A model with a constant of extents, [-1, 3], and a weight of three numbers behind it. */
const large = async (): Promise<TfjsSinkOptions> => {
  const weights = [
    { name: 'shape', shape: [2], dtype: 'int32' },
    { name: 'w', shape: [3], dtype: 'float32' },
  ]
  await writeFile(join(folder, 'w.bin'), Buffer.concat([shape.bytes, vector(1, 2, 3).bytes]))
  await writeFile(
    join(folder, 'model.json'),
    JSON.stringify({ modelTopology: { node: [] }, weightsManifest: [{ paths: ['w.bin'], weights }] }),
  )
  const { description, manifest, close } = await openTfjs(join(folder, 'model.json'))
  await close()
  return { description, manifest }
}

const save = async (name: string, parameters: Readonly<Record<string, Parameter>>, options: TfjsSinkOptions): Promise<void> => {
  const sink = tfjsSink(join(folder, name), options)
  for (const [each, parameter] of Object.entries(parameters)) await sink.write(each, parameter)
  await (await sink.finish()).close?.()
}

it('asks the topology once, for shapes that changed, and writes its constants behind all others', async () => {
  const asked: (readonly [string, readonly number[]])[][] = []
  const topology: TfjsTopology = {
    constants: new Set(['shape']),
    resize: shapes => {
      asked.push([...shapes])
      return { description: { modelTopology: { node: ['anew'] } }, numbers: new Map([['shape', fromIntegers([-1, 2], 'i32', [2])]]) }
    },
  }
  const options = { ...(await large()), topology }
  const ways = [
    ['same', vector(4, 5, 6), [], [-1, 3]],
    ['cut', vector(4, 5), ['anew'], [-1, 2]],
  ] as const
  for (const [name, w, node, numbers] of ways) {
    await save(name, { shape, w }, options)
    const again = await openTfjs(join(folder, name, 'model.json'))
    expect([again.params.names(), again.description.modelTopology]).toEqual([['w', 'shape'], { node }])
    expect([...toInt32((await again.params.read('shape')) as Dense)]).toEqual(numbers)
    await again.close()
  }
  expect(asked).toEqual([[['w', [2]]]])
})

it('leaves nothing behind where the topology takes no such shapes', async () => {
  const error = new CompressionError('BAD_DATA', 'No.', 'Cut others.')
  const topology: TfjsTopology = { constants: new Set(), resize: () => { throw error } } // prettier-ignore
  await expect(save('cut', { shape, w: vector(4) }, { ...(await large()), topology })).rejects.toBe(error)
  expect((await readdir(folder)).sort()).toEqual(['model.json', 'w.bin'])
})
