import { badFile } from '../files/bad-file.js'
import { openSource, type ByteSource } from '../files/byte-source.js'
import type { FileSystem } from '../files/file-system.js'
import { CompressionError } from '@tersor/tensor'
import type { GgufHeader, GgufTensor, Metadata } from './header.js'

/** One of the files that a model is split over. */
export interface Part {
  readonly source: ByteSource
  readonly header: GgufHeader
}

/** More parts than any model is split into. */
const MAX_PARTS = 4096
const PART_OF = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/i

const countIn = (metadata: Metadata, key: string, largest: number): number | undefined => {
  const value = metadata.get(key)?.value
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= largest) return value
  throw badFile(`Metadata "${key}" is ${String(value).slice(0, 40)}, which is no count up to ${largest}.`)
}

/** The paths of all parts, in order. Throws UNSUPPORTED for a file that is named in another way, or is a Blob. */
const pathsOf = (from: string | Blob, count: number): readonly string[] => {
  const [, start, , total, end] = (typeof from === 'string' && PART_OF.exec(from)) || []
  if (start === undefined || Number(total) !== count)
    throw new CompressionError(
      'UNSUPPORTED',
      `This file is one of ${count} parts that a model is split over, and its name does not say where the others are.`,
      `Name the parts NAME-00001-of-${String(count).padStart(5, '0')}.gguf and so on in one folder, or merge them with gguf-split --merge.`,
      { count },
    )
  return Array.from({ length: count }, (_, index) => `${start}-${String(index + 1).padStart(5, '0')}-of-${total}${end}`)
}

const missingPart = (path: string, count: number, cause: unknown): CompressionError =>
  new CompressionError('NOT_FOUND', `${path}, one of the ${count} parts of the model, is missing.`, 'Put all parts into one folder.', { path }, cause) // prettier-ignore

const checkPart = ({ header }: Part, index: number, count: number, path: string): void => {
  const [no, of] = [countIn(header.metadata, 'split.no', MAX_PARTS), countIn(header.metadata, 'split.count', MAX_PARTS)]
  if (no !== index || of !== count)
    throw badFile(`${path} says that it is part ${no ?? 'none'} of ${of ?? 'none'}, not ${index} of ${count}.`, 'Put the parts of one model beside each other.') // prettier-ignore
}

/**
 * All files of a model that is split over several, of which one is open; the one alone where it is not. Opens the others beside it, with
 * `read` for their headers. Throws NOT_FOUND, BAD_FILE and UNSUPPORTED; files that it opened are closed then.
 */
export const partsOf = async (
  from: string | Blob,
  first: Part,
  read: (source: ByteSource) => Promise<GgufHeader>,
  fileSystem: FileSystem | undefined,
): Promise<readonly Part[]> => {
  const count = countIn(first.header.metadata, 'split.count', MAX_PARTS) ?? 1
  if (count <= 1) return [first]
  const paths = pathsOf(from, count)
  const parts: Part[] = []
  try {
    for (const [index, path] of paths.entries()) {
      if (path === from) parts.push(first)
      else {
        const source = await openSource(path, fileSystem).catch((cause: { code?: unknown }) => Promise.reject(cause.code === 'NOT_FOUND' ? missingPart(path, count, cause) : cause)) // prettier-ignore
        parts.push({ source, header: await read(source).catch((error: unknown) => source.close().then(() => Promise.reject(error))) })
      }
      checkPart(parts[index], index, count, path)
    }
    return parts
  } catch (error) {
    for (const { source } of parts) if (source !== first.source) await source.close()
    throw error
  }
}

/** A tensor and the file that it stands in. */
export interface SourcedTensor extends GgufTensor {
  readonly source: ByteSource
}

/** The tensors of all parts. Throws BAD_FILE for a name that comes twice and a wrong number. */
export const tensorsOf = (parts: readonly Part[]): ReadonlyMap<string, SourcedTensor> => {
  const tensors = new Map<string, SourcedTensor>()
  for (const { source, header } of parts)
    for (const [name, tensor] of header.tensors) {
      if (tensors.has(name)) throw badFile(`Tensor "${name}" comes twice.`, 'Put the parts of one model beside each other.', { name })
      tensors.set(name, { ...tensor, source })
    }
  const expected = parts.length > 1 ? countIn(parts[0].header.metadata, 'split.tensors.count', 2 ** 31) : undefined
  if (expected !== undefined && expected !== tensors.size)
    throw badFile(`The parts have ${tensors.size} tensors; ${expected} are announced.`, 'Put the parts of one model beside each other.')
  return tensors
}
