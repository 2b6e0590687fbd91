import type { Tensor } from '@tensorflow/tfjs-core'
import type { Step } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { Writable } from 'node:stream'
import type { ComparedModel } from './compare-models.js'
import type { CompressionResult } from './compression-result.js'
import type { Terminal } from './output.js'
import type { CompareOptions, CompressModelOptions, Listening, OutputOptions, QuantizeOptions } from './program-options.js'
import type { Verification } from './verify.js'

/** A terminal that hands over what is said on it, line by line. */
const listeningTerminal = ({ onNote }: Listening): Terminal => {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const write = (chunk: unknown, _encoding: unknown, done: () => void): void => {
    for (const line of String(chunk).split('\n')) if (line !== '') onNote?.(line)
    done()
  }
  return { out: nowhere, err: new Writable({ write }), json: false, quiet: onNote === undefined, debug: false, colors: false }
}

const hearingOf = ({ signal, onProgress, onAdvance }: Listening) => ({
  signal: signal ?? new AbortController().signal,
  onProgress: onProgress ?? (() => {}),
  onAdvance: onAdvance ?? (() => {}),
})

/** One or several. */
const filesIn = (given: string | readonly string[]): readonly string[] => [given].flat() as readonly string[]

const wrongOption = (name: string, got: unknown, accepts: string): CompressionError =>
  new CompressionError('BAD_OPTION', `${name} is ${JSON.stringify(got)}.`, `Pass ${accepts}.`, { option: name, got })

const checkWhole = (name: string, value: number | undefined, least: number, most = Number.MAX_SAFE_INTEGER): void => {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
  throw wrongOption(
    name,
    value,
    most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`,
  )
}

const checkText = (name: string, value: unknown): void => {
  if (typeof value !== 'string' || value === '') throw wrongOption(name, value ?? null, 'a path')
}

/** Steps as values, and as they were written where all were texts. */
const stepsOf = async ({ steps: given, for: target }: CompressModelOptions) => {
  const { makeStep } = await import('./methods.js')
  const list = (Array.isArray(given) ? given : given === undefined ? [] : [given]) as readonly (Step | string)[]
  if (list.length === 0 && target === undefined) throw wrongOption('steps', list, 'a step, or a list of them')
  const steps = await Promise.all(list.map(async each => (typeof each === 'string' ? makeStep(each, process.cwd()) : each)))
  const written = list.every(each => typeof each === 'string')
  return { steps, ...(written ? { texts: list as readonly string[] } : {}) }
}

/** Paths of what is named on the hub; others stay as they are. */
const localSources = async (sources: readonly string[], listening: Listening): Promise<readonly string[]> => {
  if (!sources.some(each => each.startsWith('hf:'))) return sources
  const { localCopy } = await import('./hub/local-copy.js')
  const { signal, onAdvance } = hearingOf(listening)
  const found: string[] = []
  for (const each of sources) found.push(each.startsWith('hf:') ? await localCopy(each, { signal, onProgress: onAdvance }) : each)
  return found
}

/**
 * Runs steps on a model and saves the result: what `tersor compress` does. The engine is chosen by itself.
 * Options are checked before anything is done. Throws BAD_OPTION, UNKNOWN_METHOD, NO_ENGINE (which says what to import), OUTPUT_EXISTS, what
 * opening, steps and formats throw, or the signal's reason; then nothing half-written stays but what `resume` goes on from.
 */
export const compressModel = async (
  options: CompressModelOptions,
): Promise<CompressionResult & { readonly verification?: Verification }> => {
  const { model, seed = 0, activationMemory = 512, overwrite = false, resume = false, verify = false } = options
  checkText('model', model)
  checkText('out', options.out)
  checkWhole('seed', seed, 0)
  checkWhole('activationMemory', activationMemory, 0)
  const [{ runCompression }, { inFormat }] = await Promise.all([import('./compress-model.js'), import('./in-format.js')])
  const { steps, texts } = await stepsOf(options)
  const { signal: _signal, onProgress: _onProgress, onAdvance: _onAdvance, onNote: _onNote, evaluate: measured, ...asked } = options
  const [at] = await localSources([model], options)
  const calibrate = await localSources(filesIn(options.calibrate ?? []), options)
  const evaluate = measured === undefined ? {} : { evaluate: await localSources(filesIn(measured), options) }
  const named = { model, steps: texts, calibrate: filesIn(options.calibrate ?? []) }
  const flags = await inFormat({ ...asked, calibrate, ...evaluate, steps, seed, activationMemory, overwrite, resume, verify, named })
  return runCompression(listeningTerminal(options), at, flags, hearingOf(options))
}

/** Block types of llama.cpp by their bits. */
const BLOCKS: Readonly<Record<number, string>> = { 2: 'q2_k', 3: 'q3_k', 4: 'q4_k', 5: 'q5_k', 6: 'q6_k', 8: 'q8_0' }

/** The step that rounds weights to so many bits: by what it learns where something is given for that, in the blocks that a format has. */
const roundingFor = (format: OutputOptions['format'], { bits = 4, group = 32, calibrate }: QuantizeOptions): string => {
  if (format === 'gguf' && Object.hasOwn(BLOCKS, bits)) return `k-quant(type=${BLOCKS[bits]})`
  return `${calibrate === undefined ? 'rtn' : 'gptq'}(bits=${bits}, group=${group})`
}

/**
 * Rounds the weights of a model to a few bits and saves it: by gptq where there is something to learn from, else to the nearest; for GGUF to
 * the block types of llama.cpp. Throws what `compressModel` throws.
 */
export const quantize = async (options: QuantizeOptions): Promise<CompressionResult & { readonly verification?: Verification }> => {
  checkWhole('bits', options.bits, 2, 8)
  checkWhole('group', options.group, 1)
  checkText('out', options.out)
  const { inFormat } = await import('./in-format.js')
  const { bits: _bits, group: _group, ...rest } = options
  const { format } = await inFormat({ out: options.out, ...(options.format === undefined ? {} : { format: options.format }) })
  return compressModel({ ...rest, steps: roundingFor(format, options) })
}

/**
 * Reads what methods learn from, for a model that is open or at a path: batches of token ids from a text, images or tensors, as
 * `tersor compress --calibrate` does. The caller disposes them. Throws NOT_FOUND, BAD_DATA, NO_CALIBRATION, UNSUPPORTED.
 */
export const readCalibration = async (model: OpenedModel | string, files: string | readonly string[], path = ''): Promise<Tensor[]> => {
  const [{ readCalibration: read }, { startEngine }] = await Promise.all([import('./calibration.js'), import('./with-model.js')])
  if (typeof model !== 'string') return (await read(model, filesIn(files), path)).batches
  const { openModel } = await import('@tersor/models/open-model')
  await startEngine(listeningTerminal({}))
  const opened = await openModel(model)
  try {
    return (await read(opened, filesIn(files), model)).batches
  } finally {
    await opened.close?.()
  }
}

/**
 * Sizes, quality, speed and the worst layer of models, each beside the first: what `tersor compare` does.
 * Throws BAD_OPTION, NO_ENGINE, what opening, reading and measuring throw, or the signal's reason.
 */
export const compare = async (models: readonly string[], options: CompareOptions = {}): Promise<readonly ComparedModel[]> => {
  checkWhole('tokens', options.tokens, 1)
  checkWhole('timed', options.timed, 0)
  const [{ compareModels }, { startEngine }] = await Promise.all([import('./compare-models.js'), import('./with-model.js')])
  await startEngine(listeningTerminal(options))
  const { tokens, timed, signal, onAdvance } = options
  const data = options.data === undefined ? undefined : await localSources(filesIn(options.data), options)
  return compareModels(await localSources(models, options), { data, tokens, timed, signal, onProgress: onAdvance })
}
