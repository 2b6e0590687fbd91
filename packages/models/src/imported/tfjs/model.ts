import * as tf from '@tensorflow/tfjs-core'
import type { Env, Stage } from '@tersor/core'
import type { FileSystem } from '@tersor/formats/internal/files/file-system'
import { openTfjs, type Manifest, type TfjsModel, type TfjsTopology } from '@tersor/formats/tfjs'
import { CompressionError, hasCode, overlay, sizeOf, toInt32, type ParameterStore } from '@tersor/tensor'
import { inputsOfBatch } from '../graph-batch.js'
import type { GraphModel } from '../graph-model.js'
import { newShapes, type NewShapes } from '../couplings/cut-extents.js'
import { couplingsOfTfjs, type TfjsCouplings } from './couplings/tfjs-couplings.js'
import { readConstants } from './couplings/tfjs-weights.js'
import { badFile } from './errors.js'
import { tfjsGraph, type TfjsRunner } from './graph.js'
import { remadeLayers, tfjsLayers } from './layers.js'

/** A tfjs graph or layers model: one stage, run by tfjs itself. */
export interface TfjsGraphModel extends GraphModel {
  readonly format: 'tfjs'
  /** What it was read from, and how its topology follows weights that are cut: pass it to `tfjsSink`. */
  readonly file: Pick<TfjsModel, 'description' | 'manifest'> & { readonly topology?: TfjsTopology }
}

const missing = (name: string, cause: unknown): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `Running this model takes ${name}, which is not installed.`,
    `npm install ${name}`,
    { package: name },
    cause,
  )

const converter = () =>
  import('@tensorflow/tfjs-converter').catch((cause: unknown) => Promise.reject(missing('@tensorflow/tfjs-converter', cause)))
const layers = () => import('@tensorflow/tfjs-layers').catch((cause: unknown) => Promise.reject(missing('@tensorflow/tfjs-layers', cause)))

interface Topology {
  readonly node?: unknown
  readonly model_config?: unknown
  readonly config?: unknown
}

/** A runner, and how one is made for what becomes of the network. */
interface Runnable {
  readonly runner: TfjsRunner
  readonly again: (model: TfjsModel) => TfjsRunner
}

const runnable = async (path: string, model: TfjsModel): Promise<Runnable> => {
  const topology = model.description.modelTopology as Topology | undefined
  const isObject = typeof topology === 'object' && topology !== null
  if (isObject && Array.isArray(topology.node)) {
    const library = await converter()
    return { runner: tfjsGraph(model, library), again: small => tfjsGraph(small, library) }
  }
  if (isObject && (topology.model_config !== undefined || topology.config !== undefined))
    return { runner: await tfjsLayers(model, await layers()), again: remadeLayers }
  throw new CompressionError(
    'UNSUPPORTED',
    `${path} holds weights and no topology of nodes or layers.`,
    'Its weights can be read and written: openTfjs and tfjsSink of @tersor/formats/tfjs.',
    { path },
  )
}

const NAME = 'graph'

const stageOf = ({ sites, inputs, outputs, parameters, buffers, run }: TfjsRunner): Stage => ({
  name: NAME,
  parameters,
  buffers,
  sites: sites.map(({ site }) => site),
  run: (x, env) => tf.tidy(() => run(inputsOfBatch(inputs, x), env)[outputs[0].name]),
})

/** What tfjs throws at a topology is not coded. */
const coded = (path: string, cause: unknown): unknown =>
  cause instanceof Error && cause.name === 'CompressionError' && hasCode(cause, (cause as CompressionError).code)
    ? cause
    : badFile(
        `${path} holds a topology that tfjs does not take: ${String((cause as Error)?.message ?? cause)
          .replace(/\s+/g, ' ')
          .slice(0, 200)}.`,
        cause,
      )

export interface TfjsOpenOptions {
  /** Leaves the topology alone, which takes no engine and no library of tfjs: the model has parameters and no stages. */
  readonly parametersOnly?: boolean
  readonly fileSystem?: FileSystem
}

/** Stands for a topology that nobody runs. */
const UNREAD: TfjsRunner = {
  ...{ sites: [], inputs: [], outputs: [], parameters: [], buffers: [] },
  run: () => {
    throw new CompressionError('UNSUPPORTED', 'The model was opened for its parameters only.', 'Open it without parametersOnly to run it.')
  },
  dispose: () => {},
}

type Constants = ReadonlyMap<string, readonly number[]>

/** A manifest whose weights have the shapes that they came to have. */
const withShapes = ({ groups, weights }: Manifest, shapes: NewShapes): Manifest => ({
  groups,
  weights: new Map(
    [...weights].map(([name, entry]) => {
      const shape = shapes.get(name)
      return [name, shape ? { ...entry, shape, bytes: (entry.bytes / sizeOf(entry.shape)) * sizeOf(shape) } : entry] as const
    }),
  ),
})

/** The network over weights of which units went: its topology made again around them, its constants with the numbers that stayed. */
const smaller = (file: TfjsModel, { topology }: TfjsCouplings, params: ParameterStore, constants: Constants) => {
  const shapes = newShapes(file.params, name => params.info(name).shape)
  const { description, numbers } = topology.resize(shapes)
  const close = async (): Promise<void> => params.close?.()
  const model: TfjsModel = {
    ...file,
    ...{ description, manifest: withShapes(file.manifest, shapes), close },
    params: Object.freeze({ ...overlay(params, numbers), close }),
  }
  return { model, constants: new Map([...constants, ...[...numbers].map(([name, values]) => [name, [...toInt32(values)]] as const)]) }
}

/** A topology over its weights as a model of one stage; without `again` one that is opened for its parameters. */
const modelOver = (file: TfjsModel, runner: TfjsRunner, constants: Constants, again?: Runnable['again']): TfjsGraphModel => {
  const { description, manifest } = file
  const { modelTopology: _, ...rawConfig } = description
  const found = couplingsOfTfjs(description, manifest, constants)
  const { couplings = [], whole = [], topology } = found ?? {}
  const over = (params: ParameterStore): TfjsGraphModel => {
    const small = smaller(file, found!, params, constants)
    return modelOver(small.model, again ? again(small.model) : UNREAD, small.constants, again)
  }
  return Object.freeze<TfjsGraphModel>({
    family: 'graph',
    format: 'tfjs',
    architecture: 'tfjs',
    rawConfig,
    ...{ inputs: runner.inputs, outputs: runner.outputs },
    params: file.params,
    stages: again ? [stageOf(runner)] : [],
    provenance: file.provenance,
    file: { description, manifest, ...(topology ? { topology } : {}) },
    ...(couplings.length > 0 ? { couplings, remake: () => ({ rename: name => name, over }) } : {}),
    ...(whole.length > 0 ? { whole } : {}),
    topology: () => new TextEncoder().encode(JSON.stringify(description)),
    run: (inputs, env: Env) => runner.run(inputs, env),
    close: async () => {
      runner.dispose()
      await file.close()
    },
  })
}

/**
 * Opens a tfjs model.json of a graph or of layers as a model of one stage, whose sites are the products and convolutions (depthwise ones too)
 * with constant weights, and whose couplings are the channels and neurons that its operators or layers are known to keep together.
 * Takes @tensorflow/tfjs-converter for graphs and @tensorflow/tfjs-layers for layers.
 * Throws what `openTfjs` throws, BAD_FILE for a topology that tfjs refuses, UNSUPPORTED for control flow and for weights without a topology.
 */
export const openTfjsModel = async (
  path: string,
  { parametersOnly = false, fileSystem }: TfjsOpenOptions = {},
): Promise<TfjsGraphModel> => {
  const file = await openTfjs(path, fileSystem ? { fileSystem } : {})
  try {
    if (parametersOnly) return modelOver(file, UNREAD, await readConstants(file.manifest, file.params))
    const { runner, again } = await runnable(path, file)
    if (runner.inputs.length === 0 || runner.outputs.length === 0) throw badFile(`${path} has no input or no output.`)
    return modelOver(file, runner, await readConstants(file.manifest, file.params), again)
  } catch (error) {
    await file.close()
    throw coded(path, error)
  }
}
