import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { preprocessingOf, readPreprocessing } from './preprocessing-of.js'

let folder = ''
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-preprocessing-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

it('takes layout and size from the shape of the input, and what is declared before that', () => {
  expect(preprocessingOf([null, 8, 9, 3])).toEqual({ layout: 'nhwc', size: [8, 9] })
  expect(preprocessingOf(['batch', 3, 8, 9], { mean: [0.5, 0.5, 0.5] })).toEqual({ layout: 'nchw', size: [8, 9], mean: [0.5, 0.5, 0.5] })
  expect(preprocessingOf([1, 3, 'height', 'width'], { size: [4, 5] })).toEqual({ layout: 'nchw', size: [4, 5] })
  expect(preprocessingOf([1, 3, 3, 3], { layout: 'nchw' })).toEqual({ layout: 'nchw', size: [3, 3] })
})

it.each([[undefined], [[1, 96]], [[1, 8, 8, 1]], [[1, 'height', 'width', 3]], [[1, 16000, 16000, 3]]])('refuses an input of %j', shape => {
  expect(() => preprocessingOf(shape)).toThrow(
    expect.objectContaining({
      code: 'UNSUPPORTED',
      message: [
        `The graph's input is ${JSON.stringify(shape)}, no images of three channels and one size.`,
        'Declare size and layout in preprocessing.json beside the model, or measure it from code: topOneAgreement of @tersor/evaluation.',
      ].join('\n'),
    }),
  )
})

it('reads a declaration, and refuses what is none', async () => {
  const path = join(folder, 'preprocessing.json')
  const read = async (text: string) => {
    await writeFile(path, text)
    return readPreprocessing(path)
  }
  const remedy = '\nIt is an object with some of size, mean, deviation, layout, as preprocess takes them.'
  expect(await read('{"size":[8,8],"deviation":[1,2,3]}')).toEqual({ size: [8, 8], deviation: [1, 2, 3] })
  for (const [text, what] of [
    ['{', 'is no JSON'],
    ['[]', 'is no object'],
    ['{"std":[1]}', 'has a field "std"'],
    ['{"size":8}', 'has a size, mean or deviation that is no list of numbers'],
  ])
    await expect(read(text)).rejects.toMatchObject({ code: 'BAD_DATA', message: `${path} ${what}.${remedy}` })
  await expect(readPreprocessing(join(folder, 'none.json'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
