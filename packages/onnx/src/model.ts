import * as tf from '@tensorflow/tfjs-core'
import type { Native, NativeSession, NativeTensor } from '@tersor/backend-ort/binding'
import { activationNames, type Env, type InputGrid, type Site, type Stage } from '@tersor/core'
import { oneLine } from '@tersor/formats/internal/files/bad-file'
import {
  encodeModel,
  openOnnx,
  otherWeights,
  typeName,
  withTrees,
  type Onnx,
  type OnnxTensor,
  type OpenOnnxOptions,
  type ValueInfoProto,
} from './file.js'
import { inputsOfBatch } from '@tersor/models/graph-batch'
import { CompressionError } from '@tersor/tensor'
import type { GraphModel, GraphTensors, GraphValue } from '@tersor/models/graph-model'
import type { ModelFiles } from '@tersor/models/raw-config'
import { withUsualInputs } from './model/inputs.js'
import { couplingsOf } from '@tersor/models/internal/imported/couplings/couplings-of'
import { newShapes } from '@tersor/models/internal/imported/couplings/cut-extents'
import { tensorTypeOf } from './file/model.js'
import { takenAsAny } from './file/takes-any.js'
import { labelGraph } from './couplings/label-graph.js'
import { resizeGraph } from './couplings/resize.js'
import { graphSessions, openRuntime, stopped, type Runtime } from './model/session.js'
import { sitesOfGraph, type GraphSite } from './model/sites.js'
import { feed, fetched, isFed } from './model/values.js'

export { withUsualInputs }

/** A folder for transformers.js around a graph. */
export interface GraphFolder {
  /** In the folder onnx, such as model.onnx. */
  readonly file: string
  readonly files: ModelFiles
  /** The graph that these files tell of: that of the model before units of it went. */
  readonly graph: Pick<Onnx, 'graph' | 'tensors' | 'model'>
}

/** An imported ONNX graph; `onnx` is what onnxSink of @tersor/formats/onnx replaces weights in. */
export interface OnnxModel extends GraphModel {
  readonly format: 'onnx'
  readonly onnx: Onnx
  /** Of a graph in a folder for transformers.js: what it is called there, and the files beside it. */
  readonly folder?: GraphFolder
  /** Loads the graph, as `edit` leaves its bytes, with the weights of `env`, which stay with it from run to run. */
  load(env: Env, edit?: (bytes: Uint8Array) => Uint8Array): LoadedGraph
}

/** Element types whose names in onnxruntime-common are not those of the schema. */
const TYPE_NAMES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' }
const nameOfType = (type: number): string => TYPE_NAMES[typeName(type)] ?? typeName(type)

const graphValue = (declared: ValueInfoProto): GraphValue => {
  const tensor = tensorTypeOf(declared)
  const shape = tensor?.shape?.dim.map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : value.case === 'dimParam' ? value.value : null,
  )
  return { name: declared.name, dtype: tensor ? nameOfType(tensor.elemType) : 'unknown', shape }
}

/** Float weights that are given to the graph anew each time it runs, so that what methods make of them is what runs. */
const fedTensors = ({ graph, tensors }: Onnx, sites: readonly GraphSite[]): readonly OnnxTensor[] => {
  const names = new Set([...sites.map(({ site }) => site.weight), ...takenAsAny(graph, tensors).map(({ name }) => name)])
  return tensors.filter(({ name, stored }) => stored !== undefined || names.has(name))
}

/** How the input of a site is shown: images with their channels last, lines as images of height 1, columns as rows. */
const shownAs = ({ site, columns = false }: GraphSite): 'images' | 'columns' | 'rows' =>
  site.convolution ? 'images' : columns ? 'columns' : 'rows'

const SHOWN: Readonly<Record<ReturnType<typeof shownAs>, (x: tf.Tensor) => tf.Tensor>> = {
  images: x => (x.rank === 3 ? tf.expandDims(tf.transpose(x, [0, 2, 1]), 1) : tf.transpose(x, [0, 2, 3, 1])),
  columns: x => tf.transpose(x, [...Array(x.rank - 2).keys(), x.rank - 1, x.rank - 2]),
  rows: x => x,
}

/** The channels of each group as an image of its own: (batch, channels, …) → (batch · groups, channels / groups, …). */
const byGroup = (x: tf.Tensor, groups: number): tf.Tensor =>
  groups === 1 ? x : tf.reshape(x, [x.shape[0] * groups, x.shape[1]! / groups, ...x.shape.slice(2)])

/** Shows what the sites of a graph multiplied to the tap. Sites with one input see one tensor. */
const showTaps = (sites: readonly GraphSite[], valueOf: (name: string) => tf.Tensor, tap: NonNullable<Env['tap']>): void => {
  const shown = new Map<string, tf.Tensor>()
  for (const each of sites) {
    const { groups = 1 } = each
    const key = `${each.input} as ${groups} ${shownAs(each)}`
    const value = shown.get(key) ?? SHOWN[shownAs(each)](byGroup(valueOf(each.input), groups))
    shown.set(key, value)
    tap(each.site, value)
  }
}

/** A graph in the runtime, and what it takes besides its inputs. */
export interface LoadedGraph {
  readonly native: Native
  readonly session: NativeSession
  readonly constants: Readonly<Record<string, NativeTensor>>
}

interface GriddedSite {
  readonly site: Site
  readonly grid: InputGrid
}

/** The inputs that the graph rounds, as the runtime's graph names them. */
const roundedInput = ({ site, grid }: GriddedSite) => {
  const [scale, zero] = activationNames(site)
  return { site: site.name, weight: site.weight, bits: grid.bits, scale, zero }
}

const feedGrid = (native: Native, { site, grid }: GriddedSite): readonly (readonly [string, NativeTensor])[] =>
  activationNames(site).map((name, part) => [name, feed(native, part === 0 ? grid.scale : grid.zero, 'float32')] as const)

/** What a graph is fed besides its inputs: weights, and grids of the inputs that are rounded. */
const feedsBesides = (sites: readonly GraphSite[], fed: readonly OnnxTensor[]) => ({
  griddedBy: (env: Env): readonly GriddedSite[] =>
    sites.flatMap(({ site }) => {
      const grid = env.inputGrid?.(site)
      return grid ? [{ site, grid }] : []
    }),
  constantFeeds: (native: Native, gridded: readonly GriddedSite[], { weights }: Env) => [
    ...fed.map(({ name, dtype }) => [name, feed(native, weights(name), dtype === 'f16' ? 'float16' : 'float32')] as const),
    ...gridded.flatMap(each => feedGrid(native, each)),
  ],
})

const feedInput = (native: Native, tensor: tf.Tensor, name: string, dtype: string): NativeTensor => {
  if (isFed(dtype)) return feed(native, tensor, dtype)
  const what = oneLine(`The graph's input ${JSON.stringify(name)} is of type ${dtype}, and inputs here are numbers.`)
  throw new CompressionError('UNSUPPORTED', what, 'Cut the graph behind what reads it.', { name, dtype })
}

/** Runs a graph; throws BAD_DATA where the runtime stops. */
const fetchAll = (
  session: NativeSession,
  feeds: Readonly<Record<string, NativeTensor>>,
  wanted: readonly string[],
  given: GraphTensors,
) => {
  try {
    return session.fetch(feeds, [...wanted])
  } catch (cause) {
    throw stopped(cause, Object.entries(given).map(([name, { shape }]) => `${name} (${shape.join(', ')})`).join(', ')) // prettier-ignore
  }
}

/** The same graph over weights of which units went. */
const remakeOf =
  (onnx: Onnx, runtime: Runtime): NonNullable<OnnxModel['remake']> =>
  () => ({
    rename: name => name,
    over: params =>
      graphModel(
        resizeGraph(
          onnx,
          newShapes(onnx.params, name => params.info(name).shape),
          params,
        ),
        runtime,
      ),
  })

/** A graph as a model of one stage. */
const graphModel = (onnx: Onnx, runtime: Runtime, graphSites = sitesOfGraph(onnx)): OnnxModel => {
  const { graph, model, params, tensors } = onnx
  const constants = new Set(tensors.map(({ name }) => name))
  const inputs = graph.input.filter(({ name }) => !constants.has(name)).map(graphValue)
  const outputs = graph.output.map(graphValue)
  const fed = fedTensors(onnx, graphSites)
  const shownSites = graphSites.filter(({ unseen }) => unseen === undefined)
  const others = otherWeights(graph, tensors)
  const { couplings, whole } = couplingsOf(labelGraph(onnx))
  const taps = [...new Set(shownSites.map(({ input }) => input))]
  const sessions = graphSessions(onnx, new Set(fed.map(({ name }) => name)), taps, runtime)

  const { griddedBy, constantFeeds } = feedsBesides(shownSites, fed)
  const load: OnnxModel['load'] = (env, edit = bytes => bytes) => {
    const gridded = griddedBy(env)
    const { native, session } = sessions.open(gridded.map(roundedInput), edit)
    return { native, session, constants: Object.fromEntries(constantFeeds(native, gridded, env)) }
  }
  const run = (given: GraphTensors, env: Env): GraphTensors => {
    const gridded = griddedBy(env)
    const { native, session, roundedNames } = sessions.get(gridded.map(roundedInput))
    const all = withUsualInputs(inputs, given)
    const feeds = Object.fromEntries([
      ...inputs.map(({ name, dtype }) => [name, feedInput(native, all[name], name, dtype)] as const),
      ...constantFeeds(native, gridded, env),
    ])
    const multiplied = shownSites.map(each => ({ ...each, input: roundedNames.get(each.site.name) ?? each.input }))
    const shown = env.tap ? multiplied.map(({ input }) => input).filter(name => !Object.hasOwn(all, name)) : []
    const wanted = new Set([...outputs.map(({ name }) => name), ...shown])
    const results = fetchAll(session, feeds, [...wanted], all)
    const made = new Map<string, tf.Tensor>()
    const valueOf = (name: string): tf.Tensor => {
      const value = all[name] ?? made.get(name) ?? fetched(results[name])
      made.set(name, value)
      return value
    }
    if (env.tap) showTaps(multiplied, valueOf, env.tap)
    return Object.fromEntries(outputs.map(({ name }) => [name, valueOf(name)]))
  }
  const stage: Stage = {
    name: graph.name || 'graph',
    parameters: fed.map(({ name }) => name),
    differentiable: false,
    sites: graphSites.map(({ site }) => site),
    run: (x, env) => run(inputsOfBatch(inputs, x), env)[outputs[0].name],
  }
  return Object.freeze({
    ...{ family: 'graph' as const, format: 'onnx' as const, architecture: graph.name || 'onnx' },
    rawConfig: { model_type: 'onnx', producer: model.producerName, opset: opsetText(onnx) },
    ...{ inputs, outputs, onnx, params, stages: [stage], provenance: onnx.provenance, run, load },
    ...{ topology: () => encodeModel(model), ...(others.length > 0 ? { others } : {}) },
    ...(couplings.length > 0 ? { couplings, remake: remakeOf(onnx, runtime) } : {}),
    ...(whole.length > 0 ? { whole } : {}),
    close: async () => {
      sessions.dispose()
      await onnx.close()
    },
  })
}

/**
 * Opens an ONNX graph as a model of one stage that ONNX Runtime runs: its sites are the initializers that products, convolutions,
 * recurrences and look-ups use, and `others` names the weights that are none. Weights are fed at each run, so that compressed ones are what runs, and so are grids of inputs. Needs @tersor/backend-ort
 * to run, not to open.
 * Throws as `openOnnx` does, and UNSUPPORTED for a graph without inputs; `run` throws NO_ENGINE, UNSUPPORTED (a graph that the runtime
 * refuses), BAD_DATA (where it stops) and BAD_OPTION (a missing input).
 */
export const openOnnxModel = async (from: string | Blob, options: OpenOnnxOptions = {}): Promise<OnnxModel> => {
  const onnx = withTrees(await openOnnx(from, options))
  const { graph, tensors } = onnx
  const constants = new Set(tensors.map(({ name }) => name))
  if (graph.input.every(({ name }) => constants.has(name))) {
    await onnx.close()
    throw new CompressionError('UNSUPPORTED', 'The graph takes no input.', 'Give the one that computes from inputs.')
  }
  const sites = sitesOfGraph(onnx)
  return graphModel(onnx, await openRuntime(onnx, new Set(fedTensors(onnx, sites).map(({ name }) => name))), sites)
}

const opsetText = ({ model }: Onnx): string => model.opsetImport.map(({ domain, version }) => `${domain || 'onnx'} ${version}`).join(', ')
