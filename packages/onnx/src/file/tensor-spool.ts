import type { Dense } from '@tersor/tensor'
import { within, writeFully, type OpenFile } from '@tersor/formats/internal/files/file-system'
import type { Unfinished } from '@tersor/formats/internal/files/output'
import { tensorHeader } from './build.js'
import { freeName } from '@tersor/formats/internal/files/free-name'
import type { Range } from './scan.js'
import type { TensorProto } from './schema/onnx-ml_pb.js'

/** An initializer that is to be written: its header, and its bytes where the header does not hold them. */
export interface WrittenTensor {
  readonly proto: TensorProto
  readonly length: number
  /** Undefined where the header holds them. */
  readonly read?: (at: number, length: number) => Promise<Uint8Array>
}

/** Keeps the data of new initializers in a file of the unfinished output. */
export interface Spool {
  /** Names that the graph has already, and those of new initializers. */
  readonly names: Set<string>
  readonly tensors: readonly WrittenTensor[]
  /** Stores a tensor under a name, or under one like it where that is taken. */
  write(name: string, tensor: Dense): Promise<string>
  close(): Promise<void>
}

const readRange =
  (file: OpenFile, { offset }: Range): NonNullable<WrittenTensor['read']> =>
  async (at, length) => {
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) done += (await file.read(bytes, done, length - done, offset + at + done)).bytesRead
    return bytes
  }

/** A spool in the folder of an output; call it inside the output's steps only. */
export const createSpool = ({ fs, folder }: Pick<Unfinished, 'fs' | 'folder'>, taken: Iterable<string> = []): Spool => {
  const names = new Set(taken)
  const tensors: WrittenTensor[] = []
  let file: OpenFile | undefined
  let end = 0
  return {
    names,
    tensors,
    write: async (wanted, tensor) => {
      const name = freeName(wanted, names)
      names.add(name)
      file ??= await fs.open(within(folder, 'data'), 'wx+')
      const range = { offset: end, length: tensor.bytes.byteLength }
      await writeFully(file, tensor.bytes, end)
      end += range.length
      tensors.push({ proto: tensorHeader(name, tensor), length: range.length, read: readRange(file, range) })
      return name
    },
    close: async () => file?.close().catch(() => {}),
  }
}
