import { clone, create } from '@bufbuild/protobuf'
import type { Provenance } from '@tersor/core'
import { CompressionError, type Parameter, type ParameterSink } from '@tersor/tensor'
import { exists, nameOf, within } from '@tersor/formats/internal/files/file-system'
import { fileSink, type SinkOptions, type Unfinished } from '@tersor/formats/internal/files/output'
import { newShapes } from '@tersor/models/internal/imported/couplings/cut-extents'
import { resizeGraph } from '../couplings/resize.js'
import { graphBuilder, MICROSOFT } from './build.js'
import { refusal } from './forms/refusal.js'
import { ONNX_FORMS } from './forms/store.js'
import type { OnnxForm, Stored } from './forms/stored.js'
import { INLINE_BYTES } from './scan.js'
import { openOnnx, PROVENANCE_KEY, type Onnx } from './open.js'
import { checkRanges, roundsOf, type InputRange } from './input-grids.js'
import { replaceNodes } from './replace.js'
import {
  ModelProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ModelProto,
} from './schema/onnx-ml_pb.js'
import { opsetOf, weightWriter } from './sink-weights.js'
import { createSpool, type WrittenTensor } from './tensor-spool.js'
import type { OnnxTensor } from './tensors.js'
import { withTrees } from './trees.js'
import { writeModel, type WriteOptions } from './write.js'

export interface OnnxSinkOptions extends SinkOptions, WriteOptions {
  /** The graph whose weights are replaced; it stays the caller's, and open until the sink has finished. */
  readonly source: Onnx
  /** How grids of codes are stored: as the source has them or MatMulNBits where absent, and QDQ for weights that other nodes than products ask for. */
  readonly form?: OnnxForm
  /** Rounds the inputs of these weights to 8 bits with fixed ranges, what QDQ calls static; grids that quantize-activations learned need none. */
  readonly ranges?: Readonly<Record<string, InputRange>>
  /** Stores plain float weights as halves, rounded; they are widened when the graph runs. */
  readonly float?: 'f16'
}

/** Where a graph and its data go, and what the graph calls the data. */
export interface Paths {
  readonly model: string
  readonly data: string
  readonly dataName: string
}

const checkForm = (form: OnnxForm): void => {
  if (ONNX_FORMS.includes(form)) return
  throw new CompressionError('BAD_OPTION', `There is no form "${String(form)}".`, `Forms are ${ONNX_FORMS.join(', ')}.`, { form })
}

/** A prefix that no name of the graph begins with. */
const freePrefix = (names: ReadonlySet<string>): string => {
  for (let i = 0; ; i++) {
    const prefix = i === 0 ? 'tersor_' : `tersor${i}_`
    if (![...names].some(name => name.startsWith(prefix))) return prefix
  }
}

/** An initializer that stays, with its data where it was. */
const kept = (source: Onnx, tensor: OnnxTensor): WrittenTensor => {
  if (!tensor.range && tensor.proto.rawData.length <= INLINE_BYTES) return { proto: tensor.proto, length: 0 }
  const proto = clone(TensorProtoSchema, tensor.proto)
  proto.dataLocation = TensorProto_DataLocation.DEFAULT
  proto.externalData = []
  proto.rawData = new Uint8Array(0)
  const { rawData } = tensor.proto
  if (!tensor.range) return { proto, length: rawData.length, read: async (at, length) => rawData.subarray(at, at + length) }
  return { proto, length: tensor.range.length, read: async (at, length) => (await source.bytes(tensor, at, length))! }
}

/** Adds what new nodes need to the head of a model. */
const declare = (model: ModelProto, ir: number, provenance: readonly Provenance[]): void => {
  if (model.graph!.node.some(({ domain }) => domain === MICROSOFT) && !model.opsetImport.some(({ domain }) => domain === MICROSOFT))
    model.opsetImport.push(create(OperatorSetIdProtoSchema, { domain: MICROSOFT, version: 1n }))
  if (model.irVersion < ir) model.irVersion = BigInt(ir)
  model.metadataProps = model.metadataProps.filter(({ key }) => key !== PROVENANCE_KEY)
  if (provenance.length > 0)
    model.metadataProps.push(create(StringStringEntryProtoSchema, { key: PROVENANCE_KEY, value: JSON.stringify(provenance) }))
}

/** Everything that the graph calls by a name. */
const namesOf = ({ graph }: Onnx): Set<string> =>
  new Set([
    ...graph.initializer.map(({ name }) => name),
    ...graph.input.map(({ name }) => name),
    ...graph.node.flatMap(({ name, output }) => [name, ...output]),
  ])

/**
 * Streams a graph whose weights were compressed into an ONNX file; what is not written, and all that is no weight, stays as it was.
 * Grids of codes become MatMulNBits, DequantizeLinear or MatMulInteger; factors become two products, sums two products and their sum;
 * grids of inputs (`SITE.input_scale`, `SITE.input_zero_point`) become QuantizeLinear and DequantizeLinear before their nodes.
 * Weights of which units went, as `shrink` cuts them, are written with the constants and groups of the graph that hold their extents.
 * The end throws BAD_DATA for weights of other shapes, UNSUPPORTED with all tensors that have no place; steps throw OUTPUT_EXISTS, DISK, NOT_FOUND (a name that the graph lacks).
 */
export const onnxSink = (path: string, options: OnnxSinkOptions): ParameterSink => {
  const { source, form, ranges = {} } = options
  if (form !== undefined) checkForm(form)
  checkRanges(ranges, source)
  const dataPath = `${path}_data`
  return fileSink(
    path,
    options,
    unfinished => {
      const { fs, folder } = unfinished
      const writer = graphWriter(options, unfinished)
      return {
        write: writer.write,
        finish: async () => {
          const { written } = await writer.finish({ model: within(folder, 'model'), data: within(folder, 'external'), dataName: nameOf(dataPath) }) // prettier-ignore
          const isStale = written.length === 1 && (await exists(fs, dataPath))
          return { moves: written.map((from, i) => ({ from, to: [path, dataPath][i] })), stale: isStale ? [dataPath] : [] }
        },
        close: writer.close,
        reopen: async () => withTrees(await openOnnx(path, { fileSystem: fs })).params,
      }
    },
    [path, dataPath],
  )
}

/** What becomes of a graph, before anything of it is written: the graph around what was cut, and the bits that weights are stored in. */
export interface GraphResult {
  readonly cut: Onnx
  readonly stored: readonly Stored[]
}

/** Collects the weights of a graph and writes it with them, to paths that may depend on what they are. */
export const graphWriter = ({ source, ranges = {}, ...options }: OnnxSinkOptions, { fs, folder, take, provenance }: Unfinished) => {
  const spool = createSpool({ fs, folder }, namesOf(source))
  const { form, float } = options
  const weights = weightWriter({ source, ...(form ? { form } : {}), ...(float ? { float } : {}) }, spool)
  return {
    write: async (name: string, parameter: Parameter): Promise<void> => {
      take(name)
      await weights.write(name, parameter)
    },
    finish: async (
      to: Paths | ((result: GraphResult) => Promise<Paths>),
    ): Promise<GraphResult & { readonly written: readonly string[] }> => {
      const { replaced, replacements, floatOf } = weights
      for (const { name, stored } of source.tensors)
        if (stored && !replaced.has(name)) await weights.write(name, await source.params.read(name))
      const refused = [...weights.refused, ...weights.grids.halves()]
      if (refused.length > 0) throw refusal(refused, 'Or leave them out with only.')
      const cut = resizeGraph(
        source,
        newShapes(source.params, name => weights.shapes.get(name)),
      )
      const result: GraphResult = { cut, stored: [...replacements.values()].map(each => each.stored) }
      const paths = typeof to === 'function' ? await to(result) : to
      const model = clone(ModelProtoSchema, cut.model)
      const graph = model.graph!
      const builder = graphBuilder(freePrefix(spool.names))
      const opset = opsetOf(source.model)
      const rounded = roundsOf(source, weights.grids.grids(), ranges, { opset, floatOf })
      graph.node = replaceNodes(graph, cut.tensors, builder, { replacements, rounded, opset })
      graph.input = graph.input.filter(({ name }) => !replacements.has(name))
      declare(model, Math.max(0, ...[...replacements.values()].map(({ stored }) => stored.ir ?? 0)), provenance)
      const all = [
        ...cut.tensors.filter(({ name }) => !replaced.has(name)).map(tensor => kept(source, tensor)),
        ...builder.constants.map(proto => ({ proto, length: 0 })),
        ...spool.tensors,
      ]
      return { ...result, written: await writeModel(model, all, { fs, ...paths }, options) }
    },
    close: () => spool.close(),
  }
}
