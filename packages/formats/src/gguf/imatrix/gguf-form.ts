import { badFile } from '../../files/bad-file.js'
import { aligned, encodeGgufHeader, type TensorInfo } from '../encode-header.js'
import { parseGgufHeader, type GgufTensor, type GgufValue, type Metadata } from '../header.js'
import { MARK, MARK_VALUE } from '../../files/mark.js'
import { checkEntry, type Imatrix, type ImatrixEntry } from './imatrix.js'

const SUMS = '.in_sum2'
const COUNTS = '.counts'
const CHUNKS = 'imatrix.chunk_count'
const CHUNK_SIZE = 'imatrix.chunk_size'
const DATASETS = 'imatrix.datasets'

const floatsOf = (bytes: Uint8Array, name: string, { type, offset, byteLength }: GgufTensor): Float32Array => {
  if (type !== 'f32') throw badFile(`Tensor "${name}" has type ${type}; sums and counts are f32.`, undefined, { name })
  return new Float32Array(bytes.slice(offset, offset + byteLength).buffer)
}

const numberOf = (metadata: Metadata, key: string): number | undefined => {
  const value = metadata.get(key)?.value
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw badFile(`Metadata "${key}" is no count.`, undefined, { key })
}

const datasetsOf = (metadata: Metadata): readonly string[] => {
  const entry = metadata.get(DATASETS)
  if (entry === undefined) return []
  if (entry.type === 'list' && entry.of === 'string') return entry.value as readonly string[]
  throw badFile(`Metadata "${DATASETS}" is no list of names.`, undefined, { key: DATASETS })
}

/** The newer form: a GGUF file with the tensors <name>.in_sum2 and <name>.counts. */
export const parseGgufForm = (bytes: Uint8Array): Imatrix => {
  const { metadata, tensors } = parseGgufHeader(bytes, bytes.length)!
  if (metadata.get('general.type')?.value !== 'imatrix')
    throw badFile('The GGUF file is no importance matrix.', 'Pass a file that llama-imatrix or Tersor wrote.')
  const entries = new Map<string, ImatrixEntry>()
  for (const [name, tensor] of tensors) {
    if (!name.endsWith(SUMS)) continue
    const weight = name.slice(0, -SUMS.length)
    const counts = tensors.get(weight + COUNTS)
    if (!counts) throw badFile(`Tensor "${name}" has no counts.`, undefined, { name })
    const calls = [...floatsOf(bytes, weight + COUNTS, counts)]
    entries.set(weight, checkEntry(weight, { sums: floatsOf(bytes, name, tensor), calls }))
  }
  if (entries.size === 0) throw badFile('The importance matrix has no entries.', 'Pass a file that llama-imatrix or Tersor wrote.')
  const chunkSize = numberOf(metadata, CHUNK_SIZE)
  return Object.freeze({
    entries,
    chunks: numberOf(metadata, CHUNKS) ?? 0,
    ...(chunkSize === undefined ? {} : { chunkSize }),
    datasets: Object.freeze(datasetsOf(metadata)),
  })
}

export const encodeGgufForm = ({ entries, chunks, chunkSize, datasets }: Imatrix): Uint8Array => {
  const metadata = new Map<string, GgufValue>([
    [MARK, { type: 'string', value: MARK_VALUE }],
    ['general.type', { type: 'string', value: 'imatrix' }],
    [DATASETS, { type: 'list', of: 'string', value: datasets }],
    [CHUNKS, { type: 'u32', value: chunks }],
    [CHUNK_SIZE, { type: 'u32', value: chunkSize ?? 0 }],
  ])
  const infos: TensorInfo[] = []
  const contents: Float32Array[] = []
  let offset = 0
  const add = (name: string, shape: readonly number[], values: Float32Array): void => {
    infos.push({ name, type: 'f32', shape, offset })
    contents.push(values)
    offset = aligned(offset + values.byteLength)
  }
  for (const [name, { sums, calls }] of entries) {
    add(name + SUMS, [calls.length, sums.length / calls.length], sums)
    add(name + COUNTS, [calls.length, 1], Float32Array.from(calls))
  }
  const header = encodeGgufHeader(metadata, infos)
  const bytes = new Uint8Array(header.length + offset)
  bytes.set(header)
  contents.forEach(({ buffer, byteOffset, byteLength }, i) =>
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), header.length + infos[i].offset),
  )
  return bytes
}
