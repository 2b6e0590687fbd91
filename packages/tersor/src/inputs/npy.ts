import { readBytes } from '@tersor/evaluation/internal/read-bytes'
import { CompressionError, dense, DTYPES, sizeOf, type Dense, type DType } from '@tersor/tensor'

/** NumPy's names of dtypes that lie here as there. */
const NAMES: Readonly<Record<string, DType>> = {
  ...{ '<f8': 'f64', '<f4': 'f32', '<f2': 'f16', '|b1': 'bool', '|i1': 'i8', '|u1': 'u8' },
  ...{ '<i2': 'i16', '<i4': 'i32', '<i8': 'i64', '<u2': 'u16', '<u4': 'u32', '<u8': 'u64' },
}
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]

const bad = (path: string, what: string, remedy = 'Write it again: numpy.save(path, array).'): CompressionError =>
  new CompressionError('BAD_DATA', `${path} ${what}.`, remedy, { path })

/** What the header says, a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }. */
const parseHeader = (path: string, text: string) => {
  const name = /'descr':\s*'([^']*)'/.exec(text)?.[1]
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1]
  const extents = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1]
  if (name === undefined || order === undefined || extents === undefined) throw bad(path, 'has a header that is none of NumPy')
  if (!Object.hasOwn(NAMES, name)) throw bad(path, `holds ${name}, not numbers that a graph takes`, 'Convert it: array.astype("float32").')
  if (order === 'True') throw bad(path, 'is stored by columns', 'Write it by rows: numpy.save(path, numpy.ascontiguousarray(array)).')
  const shape = extents.split(',').flatMap(each => (each.trim() === '' ? [] : [Number(each)]))
  if (!shape.every(extent => Number.isSafeInteger(extent) && extent >= 0)) throw bad(path, 'has a header that is none of NumPy')
  return { dtype: NAMES[name], shape }
}

/** Reads one array of a .npy file (NumPy, versions 1 to 3). Throws NOT_FOUND, DISK and BAD_DATA. */
export const readNpy = async (path: string): Promise<Dense> => {
  const bytes = await readBytes(path)
  if (bytes.length < 12 || !MAGIC.every((byte, i) => bytes[i] === byte)) throw bad(path, 'is no .npy file')
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [length, start] = bytes[6] === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12]
  const { dtype, shape } = parseHeader(path, new TextDecoder().decode(bytes.subarray(start, start + length)))
  const data = bytes.subarray(start + length)
  const expected = (sizeOf(shape) * DTYPES[dtype].bits) / 8
  if (data.length !== expected) throw bad(path, `promises ${expected} bytes, and has ${data.length}`)
  return dense(dtype, shape, data.slice())
}
