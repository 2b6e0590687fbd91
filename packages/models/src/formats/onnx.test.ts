import { FORMATS, loadFormats } from '../opening/formats.js'
import { onnxFormat } from './onnx.js'

it('says what to install where the package is missing', async () => {
  const load = () => Promise.reject(Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' }))
  const format = await onnxFormat(load)
  expect(format.writer).toBeUndefined()
  await expect(format.open!('net.onnx', {})).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: 'net.onnx is an ONNX graph, which takes @tersor/onnx.\nnpm install @tersor/onnx',
  })
})

it('lets other errors of the package through', async () => {
  await expect(onnxFormat(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
})

it('lists every format under its own name, no end twice', async () => {
  const formats = await loadFormats()
  expect(formats.map(({ name }) => name)).toEqual(Object.keys(FORMATS))
  const ends = formats.flatMap(({ ends = [] }) => ends)
  expect(new Set(ends).size).toBe(ends.length)
  for (const { writer } of formats) expect(writer!.fileIn === undefined || writer!.fileIn.endsWith(writer!.end!)).toBe(true)
})
