import { CompressionError, fromFloat32, toFloat32, dense, type DType, type Shape } from '@tersor/tensor'
import { packBlocks, unpackBlocks } from '@tersor/kernels/blocks'
import { copyPieces, piecesOf, readFully, writeFully, type OpenFile } from '../files/file-system.js'
import { aligned, type TensorInfo } from './encode-header.js'
import type { GgufPlace } from './names.js'
import type { StoredTensor } from './store-tensor.js'
import { TENSOR_TYPES, type BlockTypeName, type TensorType, type TensorTypeName } from './tables/tensor-types.js'

/** What one parameter gave: a whole tensor, or one expert of a stack. */
interface Piece {
  readonly type: TensorTypeName
  readonly offset: number
  readonly byteLength: number
}

interface Entry {
  readonly name: string
  /** Of one piece. */
  readonly shape: Shape
  /** How many pieces there must be; undefined where the tensor is no stack. */
  readonly experts: number | undefined
  readonly pieces: Map<number, Piece>
}

/** Tensors as they are written: behind the header where its length was foreseen, else in a file of their own until all of them are known. */
export interface TensorData {
  /** Gives back while the bytes are still being written: the next call waits for that, and throws what went wrong. */
  add(place: GgufPlace, shape: Shape, stored: Pick<StoredTensor, 'type' | 'bytes'>, parameter: string): Promise<void>
  /** The header's entries. Throws BAD_DATA for a stack that lacks experts. */
  infos(): readonly TensorInfo[]
  /** Bytes behind the header. */
  byteLength(): number
  /** Whether everything lies in its place behind a header of so many bytes. */
  isInPlace(start: number): boolean
  /** Writes the header before what lies in its place. */
  complete(header: Uint8Array): Promise<void>
  /** Copies everything behind a header of so many bytes. */
  copyTo(file: OpenFile, start: number): Promise<void>
  /** Rows of a tensor; undefined where it was not written. */
  rowsOf(name: string): number | undefined
  close(): Promise<void>
}

/** Types whose codes stand around a middle under one scale a block: each holds those before it without loss. */
const GROWING: readonly TensorTypeName[] = ['q4_0', 'q5_0', 'q8_0']
const HALF: Readonly<Record<string, number>> = { q4_0: 8, q5_0: 16, q8_0: 128 }

/** One type for all experts of a stack: the largest where it holds the others' codes, else f32. */
const commonType = (types: readonly TensorTypeName[]): TensorTypeName => {
  const [first] = types
  if (types.every(type => type === first)) return first
  const places = types.map(type => GROWING.indexOf(type))
  return places.includes(-1) ? 'f32' : GROWING[Math.max(...places)]
}

/** The bytes of a piece in another type, without loss. */
const widen = (bytes: Uint8Array, from: TensorTypeName, to: TensorTypeName, shape: Shape): Uint8Array => {
  if (to !== 'f32') {
    const content = unpackBlocks(from as BlockTypeName, bytes)
    const codes = content.codes.map(code => code - HALF[from] + HALF[to])
    return packBlocks(to as BlockTypeName, { ...content, codes })
  }
  const { format, dtype }: TensorType = TENSOR_TYPES[from]
  return fromFloat32(format ? format.decode(bytes) : toFloat32(dense(dtype as DType, shape, bytes)), 'f32', shape).bytes
}

const sizeIn = (type: TensorTypeName, shape: Shape): number => {
  const { block, bytes } = TENSOR_TYPES[type]
  return (shape.reduce((product, extent) => product * extent, 1) / block) * bytes
}

interface Placed extends TensorInfo {
  readonly entry: Entry
}

const layOut = (entries: Iterable<Entry>): { readonly placed: readonly Placed[]; readonly byteLength: number } => {
  let offset = 0
  const placed: Placed[] = []
  for (const entry of entries) {
    const { name, shape, experts, pieces } = entry
    const type = commonType([...pieces.values()].map(piece => piece.type))
    placed.push({ name, type, shape: experts === undefined ? shape : [experts, ...shape], offset, entry })
    offset = aligned(offset + pieces.size * sizeIn(type, shape))
  }
  return { placed, byteLength: offset }
}

const checkWhole = ({ name, experts, pieces }: Entry): void => {
  if (experts === undefined || pieces.size === experts) return
  throw new CompressionError('BAD_DATA', `${name} has ${pieces.size} of ${experts} experts.`, 'Write every expert of every layer.', {
    name,
  })
}

/** The entry that a parameter belongs to. Throws BAD_DATA and SHAPE where it does not fit the others of it. */
const entryFor = (
  entries: ReadonlyMap<string, Entry>,
  experts: number,
  { name, expert }: GgufPlace,
  shape: Shape,
  parameter: string,
): Entry => {
  const entry = entries.get(name) ?? {
    name,
    shape,
    experts: expert === undefined ? undefined : experts,
    pieces: new Map<number, Piece>(),
  }
  if (entry.pieces.has(expert ?? 0))
    throw new CompressionError('BAD_DATA', `The name "${parameter}" is taken already.`, 'Write every parameter once.', {
      name: parameter,
    })
  if (expert !== undefined && expert >= experts)
    throw new CompressionError('BAD_DATA', `"${parameter}" is none of the ${experts} experts of the config.`, 'Pass the config of this model.', { name: parameter }) // prettier-ignore
  if (shape.join() !== entry.shape.join())
    throw new CompressionError('SHAPE', `"${parameter}" is [${shape.join(', ')}], but other experts are [${entry.shape.join(', ')}].`, 'Experts of a layer have one shape.', { name: parameter }) // prettier-ignore
  return entry
}
/** Bytes and the zeros that align what comes next. */
const writeAligned = async (file: OpenFile, bytes: Uint8Array, at: number): Promise<void> => {
  await writeFully(file, bytes, at)
  const end = at + bytes.byteLength
  await writeFully(file, new Uint8Array(aligned(end) - end), end)
}

/**
 * Opens a place for tensors; `open` makes the file when the first one comes, `experts` says how many a stack has, `foreseen` how long the
 * header will be, 0 where nobody knows.
 */
export const tensorData = (open: () => Promise<OpenFile>, experts: number, foreseen: () => number = () => 0): TensorData => {
  const entries = new Map<string, Entry>()
  let data: OpenFile | undefined
  let [first, length] = [0, 0]
  let writing: Promise<void> = Promise.resolve()

  const bytesOf = async ({ offset, byteLength }: Piece): Promise<Uint8Array> => {
    const bytes = new Uint8Array(byteLength)
    await readFully(data!, bytes, offset)
    return bytes
  }
  return {
    add: async (place, shape, { type, bytes }, parameter) => {
      const entry = entryFor(entries, experts, place, shape, parameter)
      if (!data) {
        data = await open()
        first = length = foreseen()
      }
      await writing
      writing = writeAligned(data, bytes, length)
      writing.catch(() => {}) // thrown by the next call
      entry.pieces.set(place.expert ?? 0, { type, offset: length, byteLength: bytes.byteLength })
      entries.set(place.name, entry)
      length = aligned(length + bytes.byteLength)
    },
    infos: () => {
      for (const entry of entries.values()) checkWhole(entry)
      return layOut(entries.values()).placed.map(({ entry: _entry, ...info }) => info)
    },
    byteLength: () => layOut(entries.values()).byteLength,
    isInPlace: start => first > 0 && start === first && [...entries.values()].every(entry => entry.experts === undefined),
    complete: async header => {
      await writing
      await writeFully(data!, header, 0)
      await data!.sync?.()
    },
    copyTo: async (file, start) => {
      await writing
      const { placed } = layOut(entries.values())
      const copy = copyPieces(file)
      for (const { entry, offset, type } of placed) {
        const size = sizeIn(type, entry.shape)
        for (const [at, piece] of entry.pieces) {
          const to = start + offset + at * size
          if (piece.type === type) await copy(piecesOf(data!, piece.offset, size), to)
          else await writeFully(file, widen(await bytesOf(piece), piece.type, type, entry.shape), to)
        }
        const end = offset + entry.pieces.size * sizeIn(type, entry.shape)
        await writeFully(file, new Uint8Array(aligned(end) - end), start + end)
      }
    },
    rowsOf: name => entries.get(name)?.shape[0],
    close: async () => {
      await writing.catch(() => {})
      await data?.close().catch(() => {})
    },
  }
}
