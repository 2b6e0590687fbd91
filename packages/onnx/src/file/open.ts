import { parseProvenance } from '@tersor/formats/internal/files/provenance'
import type { Provenance } from '@tersor/core'
import { bytesOf, CompressionError, storeOver, type ParameterStore } from '@tersor/tensor'
import { badFile, oneLine } from '@tersor/formats/internal/files/bad-file'
import { openSource, type ByteSource } from '@tersor/formats/internal/files/byte-source'
import { folderOf, within, type FileSystem } from '@tersor/formats/internal/files/file-system'
import { checkGraph } from './check-graph.js'
import { checkOperators } from './check-operators.js'
import { normalise } from './normalise.js'
import { scanModel } from './scan.js'
import type { GraphProto, ModelProto } from './schema/onnx-ml_pb.js'
import { inlineBytes, parameterOf, tensorsOf, type OnnxTensor } from './tensors.js'

export interface OpenOnnxOptions {
  readonly fileSystem?: FileSystem
  /** Files of external data by the name that the model gives them, where the model is a Blob. */
  readonly external?: Readonly<Record<string, Blob>>
}

/** An ONNX file: a graph of operators, and its initializers as parameters. */
export interface Onnx {
  /** The model without the large data of its initializers, matrices of Constant nodes among these: read it, and leave it as it is. */
  readonly model: ModelProto
  readonly graph: GraphProto
  /** All initializers, those that are no parameters too. */
  readonly tensors: readonly OnnxTensor[]
  /** Initializers that hold numbers. */
  readonly params: ParameterStore
  readonly provenance: readonly Provenance[]
  /** The bytes of an initializer as the file holds them; undefined where they are in the message. */
  bytes(tensor: OnnxTensor, at?: number, length?: number, signal?: AbortSignal): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/** The key under which the steps that made a model are kept among its metadata, as JSON. */
export const PROVENANCE_KEY = 'tersor.provenance'

/** Opens each file of external data once. */
const externalSources = (from: string | Blob, { fileSystem, external = {} }: OpenOnnxOptions) => {
  const open = new Map<string, Promise<ByteSource>>()
  const openOne = (file: string): Promise<ByteSource> => {
    if (typeof from === 'string') return openSource(within(folderOf(from), file), fileSystem)
    if (Object.hasOwn(external, file)) return openSource(external[file])
    throw new CompressionError('NOT_FOUND', oneLine(`The model keeps data in "${file}".`), 'Pass external: { [name]: blob }.', { file })
  }
  return {
    get: async (file: string): Promise<ByteSource> => {
      const source = open.get(file) ?? openOne(file)
      open.set(file, source)
      return source
    },
    close: async () => {
      for (const source of open.values()) await source.then(opened => opened.close()).catch(() => {})
    },
  }
}

const storeOf = (tensors: readonly OnnxTensor[], bytes: Onnx['bytes'], close: () => Promise<void>): ParameterStore =>
  storeOver(new Map(tensors.flatMap(tensor => (tensor.dtype ? [[tensor.name, tensor] as const] : []))), {
    info: ({ dtype, shape }) => ({ dtype: dtype!, shape, byteLength: bytesOf(dtype!, shape) }),
    read: async (tensor, _name, signal) => parameterOf(tensor, (await bytes(tensor, 0, undefined, signal)) ?? inlineBytes(tensor)),
    close,
  })

const checkNames = (tensors: readonly OnnxTensor[]): void => {
  const seen = new Set<string>()
  for (const { name } of tensors) {
    if (seen.has(name)) throw badFile(`There are two initializers "${name}".`, undefined, { name })
    seen.add(name)
  }
}

/**
 * Opens an ONNX file, or a Blob of one; matrices in Constant nodes are initializers too, and data of these past 4 KB is read when it is asked for, by range, from the file or from those beside it.
 * Throws NOT_FOUND, DISK and BAD_FILE (which names what cannot be, external data outside of the model's folder included).
 */
export const openOnnx = async (from: string | Blob, options: OpenOnnxOptions = {}): Promise<Onnx> => {
  const source = await openSource(from, options.fileSystem)
  const external = externalSources(from, options)
  const close = async (): Promise<void> => {
    await external.close()
    await source.close()
  }
  try {
    const skeleton = await scanModel(source)
    const { graph } = skeleton.model
    if (!graph) throw badFile(`${source.name} holds no graph.`, 'Check that it is an ONNX model.')
    checkGraph(graph)
    normalise(skeleton.model)
    checkOperators(skeleton.model)
    const tensors = tensorsOf(skeleton)
    checkNames(tensors)
    const bytes: Onnx['bytes'] = async ({ range }, at = 0, length, signal) => {
      if (!range) return undefined
      const file = range.file === undefined ? source : await external.get(range.file)
      return file.read(range.offset + at, length ?? range.length - at, signal)
    }
    const provenance = skeleton.model.metadataProps.find(({ key }) => key === PROVENANCE_KEY)?.value
    return Object.freeze({
      model: skeleton.model,
      graph,
      tensors,
      params: storeOf(tensors, bytes, close),
      provenance: parseProvenance(provenance, 'The metadata'),
      bytes,
      close,
    })
  } catch (error) {
    await close()
    throw error
  }
}
