import type { Tensor } from '@tensorflow/tfjs-core'
import { createRng, inputNames, sitesOf } from '@tersor/core'
import type { GraphModel, LanguageModel, TextEncoder } from '@tersor/models'
import type { Runtime } from '@tersor/models/internal/formats/runtime'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import type { OutputFormat } from './format-flags.js'
import { loadPackage, type LoadPackage } from './load-package.js'
import { compareOutputs, compareTokens, encodingOf, logitsOf, outputsOf } from './verify/compare.js'
import { writerOf } from './writer-of.js'

type Compared = (ReturnType<typeof compareTokens> | ReturnType<typeof compareOutputs>) & {
  /** Up to which two computations count as the same: nats of divergence, or mean difference as a part of the largest value. */
  readonly bound: number
  /** How far the result is from the model before compression, in the same measure. */
  readonly fromOriginal?: number
}

/** How a saved model fared: in the runtime it is for, or, where none runs here, in our own reader. */
export type Verification =
  (Compared & { readonly runtime: string }) | (Compared & { readonly readBack: true; readonly why: string }) | { readonly skipped: string }

const TOKENS = 32
/** How far a text goes beyond the shortest window, and at most: what a window hides shows only there. */
const BEYOND_WINDOW = 32
const MOST_TOKENS = 512

export interface VerifyRequest {
  /** Where the result stands. */
  readonly path: string
  readonly format: OutputFormat
  readonly seed: number
  /** The model as it was handed to the writer; what is read back from the path where absent. */
  readonly compressed?: OpenedModel
  /** The model before compression. */
  readonly original?: OpenedModel
  /** For a graph: its first input; noise where absent. */
  readonly input?: Tensor
  readonly load?: LoadPackage
}

interface Subject extends VerifyRequest {
  readonly model: OpenedModel
}

const randomIds = (model: LanguageModel | TextEncoder, seed: number): readonly number[] => {
  const rng = createRng(seed).fork('verify')
  const windows = ((model.config as LanguageModel['config']).windows ?? [])
    .filter(window => window !== null)
    .map(window => window + BEYOND_WINDOW)
  const length = Math.min(Math.max(TOKENS, Math.min(...windows, MOST_TOKENS)), model.contextLength - 1)
  return Array.from({ length: windows.length > 0 ? length : Math.min(TOKENS, model.contextLength - 1) }, () =>
    rng.integer(model.vocabularySize),
  )
}

const refused = (runtime: string, path: string, cause: unknown): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `${runtime} does not run ${path}: ${String((cause as Error)?.message ?? cause).split('\n')[0]}`,
    'The result is saved. Choose another format or step for this runtime.',
    { runtime, path },
    cause,
  )

const inRuntime = async (subject: Subject, runtime: Runtime, library: unknown): Promise<Verification> => {
  const { model, path, seed, input } = subject
  const theirs = <T>(work: Promise<T>): Promise<T> => work.catch(cause => Promise.reject(refused(runtime.name, path, cause)))
  if (model.family === 'language' && runtime.tokens) {
    const ids = randomIds(model, seed)
    const mine = await logitsOf(model, ids)
    const rows = await theirs(runtime.tokens(library)(path, ids, model.vocabularySize))
    const bound = runtime.bound?.(model) ?? TOKEN_BOUND
    return { runtime: runtime.name, ...compareTokens(mine, rows), bound, ...(await lostTokens(subject, ids, mine)) }
  }
  if (model.family === 'encoder' && runtime.encoder) {
    const ids = randomIds(model, seed)
    const mine = [await encodingOf(model, ids)]
    const given = await theirs(runtime.encoder(library)(path, ids, model.task))
    return { runtime: runtime.name, ...compareOutputs(mine, [given]), bound: OUTPUT_BOUND, ...(await lostEncodings(subject, ids, mine)) }
  }
  if (model.family !== 'graph' || !runtime.graph) return { skipped: `${runtime.name} takes no model of the kind ${model.family} here` }
  const mine = await ourOutputs(model, input, seed)
  if ('skipped' in mine) return mine
  const names = model.outputs.map(({ name }) => name)
  const outputs = await theirs(runtime.graph(library)(path, mine.inputs, names))
  const bound = roundsInputs(model) ? ROUNDED_BOUND : OUTPUT_BOUND
  return { runtime: runtime.name, ...compareOutputs(mine.outputs, outputs), bound, ...(await lostOutputs(subject, mine.outputs)) }
}

/** Nats that two programs with the same weights in float32 stay within. */
const TOKEN_BOUND = 1e-3
/** Reading back what was written gives the same numbers. */
const READ_BACK_BOUND = 1e-6
/** Part of the largest value that two programs stay within on average. */
const OUTPUT_BOUND = 1e-3
/** Where inputs are rounded, a difference in the last place may become one of a whole step. */
const ROUNDED_BOUND = 0.02

const roundsInputs = (model: GraphModel): boolean => {
  const names = new Set(model.params.names())
  return sitesOf(model).some(site => inputNames(site).some(name => names.has(name)))
}

/** How far a language model is from the one before compression on the same tokens, in nats. */
const lostTokens = async ({ original }: VerifyRequest, ids: readonly number[], mine: readonly ArrayLike<number>[]) =>
  original?.family === 'language' ? { fromOriginal: compareTokens(await logitsOf(original, ids), mine).divergence } : {}

/** How far an encoder is from the one before compression on the same tokens, as a part of its largest value. */
const lostEncodings = async ({ original }: VerifyRequest, ids: readonly number[], mine: readonly ArrayLike<number>[]) =>
  original?.family === 'encoder' ? { fromOriginal: relative(compareOutputs([await encodingOf(original, ids)], mine)) } : {}

/** How far a graph is from the one before compression on the same inputs, as a part of its largest value. */
const lostOutputs = async ({ original, input, seed }: VerifyRequest, mine: readonly ArrayLike<number>[]) => {
  if (original?.family !== 'graph') return {}
  const before = await ourOutputs(original, input, seed)
  if ('skipped' in before) return {}
  // caches of heads that went have nothing to be held against
  const same = [...mine.keys()].filter(i => before.outputs[i]?.length === mine[i].length)
  return same.length === 0 ? {} : { fromOriginal: relative(compareOutputs(same.map(i => before.outputs[i]), same.map(i => mine[i]))) } // prettier-ignore
}

const relative = ({ mean, magnitude }: { readonly mean: number; readonly magnitude: number }): number => mean / Math.max(magnitude, 1e-30)

/** Made-up inputs need not suit a graph. */
const ourOutputs = async (model: GraphModel, input: Tensor | undefined, seed: number) => {
  try {
    return await outputsOf(model, input, createRng(seed).fork('verify'))
  } catch (cause) {
    if (input) throw cause
    return { skipped: `it does not run on noise (${(cause as Error).message.split('\n')[0]}); pass --calibrate with inputs of its own` }
  }
}

/** Reads the files again with our own reader and compares with what was written: no check by anybody else. */
const inOurReader = async (request: VerifyRequest, why: string): Promise<Verification> => {
  const { compressed, path, seed } = request
  if (compressed?.family !== 'language') return { skipped: why }
  const again = await openModel(path)
  try {
    if (again.family !== 'language') return { skipped: why }
    const ids = randomIds(compressed, seed)
    const mine = await logitsOf(compressed, ids)
    const compared = compareTokens(mine, await logitsOf(again, ids))
    return { readBack: true, why, ...compared, bound: READ_BACK_BOUND, ...(await lostTokens(request, ids, mine)) }
  } finally {
    await again.close?.()
  }
}

/**
 * Runs a saved model in the runtime its format is for and compares with ours: networks of text on random tokens, graphs on one input.
 * Where no runtime for the format runs in Node or it is not installed, reads a language model back with our own reader, and says so.
 * Throws UNSUPPORTED where the runtime refuses the result.
 */
export const verify = async (request: VerifyRequest): Promise<Verification> => {
  const { path, format, compressed, load = loadPackage } = request
  const writer = await writerOf(format)
  if (typeof writer.runtime === 'string') return inOurReader(request, writer.runtime)
  const runtime = await writer.runtime()
  const name = await runtime.packageFor(path)
  const library = await load(name)
  if (library === undefined) return inOurReader(request, `${name} is not installed here`)
  if (compressed && !writer.rounds) return inRuntime({ ...request, model: compressed }, runtime, library)
  const model = await openModel(path)
  try {
    return await inRuntime({ ...request, model }, runtime, library)
  } finally {
    await model.close?.()
  }
}

const digits = (value: number): string => value.toPrecision(2)

const differenceText = (each: Compared): string =>
  'tokens' in each
    ? `log-probabilities differ by at most ${digits(each.largest)} (mean ${digits(each.mean)}, KL ${digits(each.divergence)}) over ${each.tokens} tokens`
    : `outputs differ by at most ${digits(each.largest)} (mean ${digits(each.mean)}) of values up to ${digits(each.magnitude)}`

const lostText = (result: Compared): string => {
  if (result.fromOriginal === undefined) return ''
  const amount = 'tokens' in result ? `KL ${digits(result.fromOriginal)}` : `${digits(100 * result.fromOriginal)} % of the largest value`
  return `; from the original: ${amount}`
}

/** One line about it. */
export const verificationText = (result: Verification): string => {
  if ('skipped' in result) return `not verified: ${result.skipped}`
  const told = `${differenceText(result)}${lostText(result)}`
  if ('readBack' in result)
    return `not verified in a runtime: ${result.why}. Read back by Tersor itself${disagrees(result) ? ', DISAGREES' : ''}, ${told}`
  return `${disagrees(result) ? 'DISAGREES with' : 'verified in'} ${result.runtime}: ${told}`
}

/** Whether two computations are further apart than rounding explains; NaN counts as that. */
export const disagrees = (result: Verification | undefined): boolean =>
  result !== undefined && 'bound' in result && !(('divergence' in result ? result.divergence : relative(result)) <= result.bound)

/** Throws BAD_DATA where another program, or reading back, computes something else. */
export const requireAgreement = (result: Verification | undefined): void => {
  if (!disagrees(result)) return
  throw new CompressionError(
    'BAD_DATA',
    'The result is saved, but the program it is for computes something else from it.',
    'See the line that says DISAGREES, and what is noted beside it: do not use the result there before that is explained.',
  )
}
