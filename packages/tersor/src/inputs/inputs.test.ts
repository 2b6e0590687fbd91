import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import type { GraphValue } from '@tersor/models'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { graphInputs, holdsTensors } from './graph-inputs.js'
import { imageInputs } from './image-inputs.js'
import { readNpy } from './npy.js'
import { pickedPlaces } from './pick-samples.js'

let folder = ''
const at = (name: string): string => join(folder, name)
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-inputs-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** As numpy.save writes it, version 1. */
const npy = (descr: string, shape: string, data: ArrayBufferView, order = 'False'): Uint8Array => {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`.padEnd(117) + '\n'
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const head = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0)
  return Buffer.concat([head, Buffer.from(header), bytes])
}
const write = async (name: string, content: string | Uint8Array): Promise<string> => {
  await writeFile(at(name), content)
  return at(name)
}

const X: readonly GraphValue[] = [{ name: 'x', dtype: 'float32', shape: ['n', 2] }]
const TWO: readonly GraphValue[] = [
  { name: 'ids', dtype: 'int64', shape: [2, 3] },
  { name: 'scale', dtype: 'float32', shape: [2] },
]
const valuesOf = async (batches: readonly tf.Tensor[]) => {
  const made = await Promise.all(batches.map(async batch => ({ shape: batch.shape, values: [...(await batch.data())] })))
  tf.dispose([...batches])
  return made
}

it.each([
  ['<f4', Float32Array.of(1, 2.5, 3, -4), 'f32'],
  ['<f8', Float64Array.of(1, 2.5, 3, -4), 'f64'],
  ['<i8', BigInt64Array.of(1n, 2n, 3n, 4n), 'i64'],
  ['|u1', Uint8Array.of(1, 2, 3, 4), 'u8'],
])('reads %s of NumPy', async (descr, data, dtype) => {
  const read = await readNpy(await write('a.npy', npy(descr, '(2, 2)', data)))
  expect(read).toMatchObject({ dtype, shape: [2, 2] })
  expect(read.bytes).toEqual(new Uint8Array(data.buffer))
})

it.each([
  ['text', 'is no .npy file.\nWrite it again: numpy.save(path, array).'],
  [npy('>f4', '(1,)', Float32Array.of(1)), 'holds >f4, not numbers that a graph takes.\nConvert it: array.astype("float32").'],
  [npy('<f4', '(2, 2)', Float32Array.of(1, 2, 3, 4), 'True'), 'is stored by columns.\nWrite it by rows'],
  [npy('<f4', '(2, 2)', Float32Array.of(1)), 'promises 16 bytes, and has 4.'],
  [npy('<f4', '(-1,)', Float32Array.of(1)), 'has a header that is none of NumPy.'],
])('refuses an array that is none', async (content, what) => {
  await expect(readNpy(await write('bad.npy', content))).rejects.toMatchObject({
    code: 'BAD_DATA',
    message: expect.stringContaining(`bad.npy ${what}`),
  })
})

it('takes arrays of NumPy as batches of a graph, cut where there are many rows', async () => {
  const file = await write('calibration.npy', npy('<f4', '(3, 2)', Float32Array.of(1, 2, 3, 4, 5, 6)))
  expect(await valuesOf(await graphInputs(X, [file]))).toEqual([{ shape: [3, 2], values: [1, 2, 3, 4, 5, 6] }])
  const fixed: readonly GraphValue[] = [{ ...X[0], shape: [1, 2] }]
  expect(await valuesOf(await graphInputs(fixed, [file]))).toEqual([1, 3, 5].map(v => ({ shape: [1, 2], values: [v, v + 1] }))) // prettier-ignore
  expect(await valuesOf(await graphInputs(X, [file], { samples: 2 }))).toEqual([{ shape: [2, 2], values: [1, 2, 3, 4] }])
  const many = await write('many.npy', npy('<f4', '(130, 2)', new Float32Array(260)))
  expect((await valuesOf(await graphInputs(X, [many]))).map(({ shape }) => shape[0])).toEqual([64, 64, 2])
})

it('takes files called after the inputs of a graph together', async () => {
  const ids = await write(
    'ids.npy',
    npy(
      '<i8',
      '(4, 3)',
      BigInt64Array.from({ length: 12 }, (_, i) => BigInt(i)),
    ),
  )
  const scale = await write('scale.npy', npy('<f4', '(4,)', Float32Array.of(1, 2, 3, 4)))
  const batches = await graphInputs(TWO, [ids, scale])
  expect(batches).toHaveLength(2)
  tf.dispose(batches)
  await expect(graphInputs(TWO, [ids])).rejects.toMatchObject({
    code: 'BAD_DATA',
    message: expect.stringContaining('has no "scale" beside "ids.0"'),
  })
})

it.each([
  ['lists', '[[1, 2.5], [3, 4]]', [{ shape: [2, 2], values: [1, 2.5, 3, 4] }]],
  ['an object', '{"x": [[1, 2]]}', [{ shape: [1, 2], values: [1, 2] }]],
  ['a list of objects', '[{"x": [[1, 2]]}, {"x": [[3, 4]]}]', [{ shape: [1, 2], values: [1, 2] }, { shape: [1, 2], values: [3, 4] }]], // prettier-ignore
])('takes %s of JSON', async (_what, content, expected) => {
  expect(await valuesOf(await graphInputs(X, [await write('x.json', content)]))).toEqual(expected)
})

it.each([
  ['[[1, 2], [3]]', 'has lists of different lengths in "x".\nWrite nested lists of numbers,'],
  ['[["a"]]', 'holds "a" in "x", no number.'],
  ['{', 'is no JSON: '],
])('refuses %s of JSON', async (content, what) => {
  await expect(graphInputs(X, [await write('x.json', content)])).rejects.toMatchObject({
    code: 'BAD_DATA',
    message: expect.stringContaining(`x.json ${what}`),
  })
})

it('tells tensors from sets of images', async () => {
  expect(await holdsTensors(await write('set.json', '{"images": {"shape": [1, 2, 2, 3]}}'))).toBe(false)
  expect(await holdsTensors(await write('x.json', '[[1]]'))).toBe(true)
  expect([await holdsTensors('a.npy'), await holdsTensors('photos')]).toEqual([true, false])
})

it('reads images by themselves, so many as are asked for', async () => {
  const files = ['a', 'b', 'c'].map(name => at(`${name}.png`))
  for (const [i, file] of files.entries()) await sharp({ create: { width: 2, height: 2, channels: 3, background: { r: i, g: i, b: i } } }).png().toFile(file) // prettier-ignore
  const reds = async (flags: object): Promise<number[]> => {
    const [{ values }] = await valuesOf(await imageInputs(files, { size: [1, 1] }, flags))
    return values.filter((_, i) => i % 3 === 0)
  }
  expect(await reds({})).toEqual([0, 1, 2])
  expect(await reds({ samples: 2 })).toEqual([0, 1])
  expect((await reds({ shuffle: true, seed: 3 })).sort()).toEqual([0, 1, 2])
})

it('picks places evenly, or in a drawn order', () => {
  expect(pickedPlaces(10, { samples: 3 })).toEqual([0, 3, 6])
  expect(pickedPlaces(3, { samples: 9 })).toEqual([0, 1, 2])
  const drawn = pickedPlaces(100, { samples: 5, shuffle: true, seed: 1 })
  expect(drawn).toEqual(pickedPlaces(100, { samples: 5, shuffle: true, seed: 1 }))
  expect(drawn).not.toEqual(pickedPlaces(100, { samples: 5, shuffle: true, seed: 2 }))
  expect(new Set(drawn).size).toBe(5)
})
