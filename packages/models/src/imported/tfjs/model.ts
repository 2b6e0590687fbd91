import * as tf from '@tensorflow/tfjs-core'
import type { Env, Stage } from '@tersor/core'
import type { FileSystem } from '@tersor/formats/internal/files/file-system'
import { openTfjs, type TfjsModel } from '@tersor/formats/tfjs'
import { CompressionError, hasCode } from '@tersor/tensor'
import { inputsOfBatch } from '../graph-batch.js'
import type { GraphModel } from '../graph-model.js'
import { badFile } from './errors.js'
import { tfjsGraph, type TfjsRunner } from './graph.js'
import { tfjsLayers } from './layers.js'

/** A tfjs graph or layers model: one stage, run by tfjs itself. */
export interface TfjsGraphModel extends GraphModel {
  readonly format: 'tfjs'
  /** What it was read from: pass `description` and `manifest` to `tfjsSink`. */
  readonly file: Pick<TfjsModel, 'description' | 'manifest'>
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

const runnerOf = async (path: string, model: TfjsModel): Promise<TfjsRunner> => {
  const topology = model.description.modelTopology as Topology | undefined
  const isObject = typeof topology === 'object' && topology !== null
  if (isObject && Array.isArray(topology.node)) return tfjsGraph(model, await converter())
  if (isObject && (topology.model_config !== undefined || topology.config !== undefined)) return tfjsLayers(model, await layers())
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

/**
 * Opens a tfjs model.json of a graph or of layers as a model of one stage, whose sites are the products and convolutions (depthwise ones too)
 * with constant weights. Takes @tensorflow/tfjs-converter for graphs and @tensorflow/tfjs-layers for layers.
 * Throws what `openTfjs` throws, BAD_FILE for a topology that tfjs refuses, UNSUPPORTED for control flow and for weights without a topology.
 */
export const openTfjsModel = async (
  path: string,
  { parametersOnly = false, fileSystem }: TfjsOpenOptions = {},
): Promise<TfjsGraphModel> => {
  const file = await openTfjs(path, fileSystem ? { fileSystem } : {})
  try {
    const runner = parametersOnly ? UNREAD : await runnerOf(path, file)
    if (!parametersOnly && (runner.inputs.length === 0 || runner.outputs.length === 0)) throw badFile(`${path} has no input or no output.`)
    const { description, manifest } = file
    const { modelTopology: _, ...rawConfig } = description
    return Object.freeze<TfjsGraphModel>({
      family: 'graph',
      format: 'tfjs',
      architecture: 'tfjs',
      rawConfig,
      ...{ inputs: runner.inputs, outputs: runner.outputs },
      params: file.params,
      stages: parametersOnly ? [] : [stageOf(runner)],
      provenance: file.provenance,
      file: { description, manifest },
      topology: () => new TextEncoder().encode(JSON.stringify(description)),
      run: (inputs, env: Env) => runner.run(inputs, env),
      close: async () => {
        runner.dispose()
        await file.close()
      },
    })
  } catch (error) {
    await file.close()
    throw coded(path, error)
  }
}
