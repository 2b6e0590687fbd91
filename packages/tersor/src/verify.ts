import * as tf from '@tensorflow/tfjs-core'
import { createRng, forward, loadModel } from '@tersor/core'
import type { LanguageModel } from '@tersor/models'
import { openModel } from '@tersor/models/open-model'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { OutputFormat } from './format-flags.js'

/** How a saved model fared in the runtime it is for. */
export type Verification =
  | {
      readonly runtime: string
      /** The largest difference between its and our logarithms of the probabilities of the next token. */
      readonly difference: number
      readonly tokens: number
    }
  | { readonly skipped: string }

/** For each position, the natural logarithms of the probabilities of all tokens there. */
type LogProbabilities = (path: string, ids: readonly number[], vocabulary: number) => Promise<readonly ArrayLike<number>[]>

interface Runtime {
  readonly name: string
  /** The package that must be installed where the command runs. */
  readonly packageName: string
  readonly run: (library: any) => LogProbabilities
}

/** Unmodified llama.cpp, through node-llama-cpp. */
const llamaCpp: Runtime = {
  name: 'llama.cpp',
  packageName: 'node-llama-cpp',
  run:
    ({ getLlama, LlamaLogLevel }) =>
    async (path, ids, vocabulary) => {
      const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error })
      try {
        const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false })
        const context = await model.createContext({ contextSize: ids.length + 8, sequences: 1 })
        const sequence = context.getSequence()
        const steps = await sequence.controlledEvaluate(ids.map(id => [id, { generateNext: { probabilities: true } }]))
        return steps.map((step: any) => {
          const row = new Float64Array(vocabulary).fill(-Infinity)
          for (const [id, probability] of step.next.probabilities) row[Number(id)] = Math.log(probability)
          return row
        })
      } finally {
        await llama.dispose()
      }
    },
}

/** What reads a format besides Tersor, in Node. */
const RUNTIMES: Partial<Record<OutputFormat, Runtime>> = { gguf: llamaCpp }

const TOKENS = 32

const ours = async (model: LanguageModel, ids: readonly number[]): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const logits = tf.tidy(() => tf.logSoftmax(forward(model, tf.tensor2d([...ids], [1, ids.length], 'int32'), { weights })))
  const values = await logits.data<'float32'>()
  logits.dispose()
  dispose()
  return values
}

/** Positions where a runtime gives nothing, since the probability is none, do not count. */
const largestDifference = (theirs: readonly ArrayLike<number>[], mine: Float32Array, vocabulary: number): number => {
  let largest = 0
  theirs.forEach((row, position) => {
    for (let id = 0; id < vocabulary; id++) {
      if (row[id] > -Infinity) largest = Math.max(largest, Math.abs(row[id] - mine[position * vocabulary + id]))
    }
  })
  return largest
}

/** Loads a package from where the command runs, not from where Tersor stands; undefined where it is not installed. */
const load = async (packageName: string): Promise<unknown> => {
  try {
    const path = createRequire(join(process.cwd(), 'package.json')).resolve(packageName)
    return (await import(pathToFileURL(path).href)) as unknown
  } catch {
    return undefined
  }
}

/** Runs a saved model in the runtime its format is for and compares with ours on random tokens. */
export const verify = async (path: string, format: OutputFormat, seed: number): Promise<Verification> => {
  const runtime = RUNTIMES[format]
  if (!runtime)
    return { skipped: format === 'onnx' ? 'not built for ONNX yet' : `no runtime in Node reads ${format} folders besides Tersor` }
  const library = await load(runtime.packageName)
  if (library === undefined) return { skipped: `${runtime.packageName} is not installed here` }
  const model = await openModel(path)
  try {
    if (model.family !== 'language') return { skipped: 'it is no language model' }
    const rng = createRng(seed).fork('verify')
    const count = Math.min(TOKENS, model.contextLength - 1)
    const ids = Array.from({ length: count }, () => rng.integer(model.vocabularySize))
    const theirs = await runtime.run(library)(path, ids, model.vocabularySize)
    return { runtime: runtime.name, difference: largestDifference(theirs, await ours(model, ids), model.vocabularySize), tokens: count }
  } finally {
    await model.close?.()
  }
}

/** One line about it. */
export const verificationText = (result: Verification): string =>
  'skipped' in result
    ? `not verified: ${result.skipped}`
    : `verified in ${result.runtime}: log-probabilities differ by at most ${result.difference.toPrecision(2)} over ${result.tokens} tokens`
