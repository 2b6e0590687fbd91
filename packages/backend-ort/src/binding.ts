import { createRequire } from 'node:module'
import { arrayFor, STOP } from './graph.js'
import type { OnnxType } from './graph.js'
import { selfTestModel } from './self-test.js'
import type { DType, NativeArray, Shape } from './trace-types.js'

/** The one version whose native object this file was written against: its synchronous call is not a public interface. */
export const ORT_VERSION = '1.30.0'

export interface SessionOptions {
  readonly threads: number
  /** Whether threads spin while the session runs. */
  readonly spinning?: boolean
  /** Whole traces are optimised fully; single nodes need no optimiser and no arena. */
  readonly optimise: boolean
  /** Whether memory is kept between runs; where absent, as `optimise`. */
  readonly arena?: boolean
}

/** A tensor of onnxruntime-common, opaque to the rest of the package. */
export type NativeTensor = { readonly nativeTensor: unique symbol; readonly data: ArrayBufferView }

/** One loaded graph; `run` writes into the arrays behind `fetches`. */
export interface NativeSession {
  run(feeds: Record<string, NativeTensor>, fetches: Record<string, NativeTensor>): void
  /** Outputs by name in arrays of their own, whatever their shapes. */
  fetch(feeds: Record<string, NativeTensor>, names: readonly string[]): Readonly<Record<string, NativeOutput>>
  dispose(): void
}

/** An output in the words of onnxruntime-common. */
export interface NativeOutput {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: ArrayLike<number> | ArrayLike<bigint>
}

/** The synchronous door to ONNX Runtime. */
export interface Native {
  open(model: Uint8Array, options: SessionOptions): NativeSession
  /** Wraps an array without copying. */
  tensor(dtype: DType, values: NativeArray, shape: Shape): NativeTensor
  /** Makes a small tensor of numbers, which may be int64. */
  constant(dtype: OnnxType, values: readonly number[], shape: Shape): NativeTensor
  /** Wraps an array of any type that onnxruntime-common names, such as float16. */
  typed(type: string, values: ArrayBufferView, shape: Shape): NativeTensor
}

export type LoadedNative = { readonly native: Native; readonly problem?: never } | { readonly native?: never; readonly problem: string }

interface RawSession {
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: object): void
  run(feeds: object, fetches: object): object
  dispose(): void
}
interface RawBinding {
  readonly binding: { readonly InferenceSession: new () => RawSession }
  initOrt(): void
}

/** Microseconds that a session's threads wait for its next kernel or run before they sleep: spinning on, they would steal the other sessions' cores (5 s a step instead of 1.6 s). */
const SPIN_DURATION = '200'

function rawOptions(options: SessionOptions): object {
  return {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: options.optimise ? 'all' : 'basic',
    enableCpuMemArena: options.arena ?? options.optimise,
    enableMemPattern: options.arena ?? options.optimise,
    logSeverityLevel: 4, // errors are thrown, and told by whoever reads the value
    extra: { session: { intra_op: { allow_spinning: options.spinning ? '1' : '0', spin_duration_us: SPIN_DURATION } } },
  }
}

/** Copying outputs of fewer bytes in all costs less than throwing an error. */
const BYTES_WORTH_AN_ERROR = 262_144
const STOPPED = 'Non tensor type is temporarily not supported'

/** The binding copies every output into a fresh array even where it was written in place: fetching what it cannot hand over ends it before. */
function runWithoutCopies(session: RawSession, feeds: Record<string, NativeTensor>, fetches: Record<string, NativeTensor>): void {
  let bytes = 0
  for (const name in fetches) bytes += fetches[name].data.byteLength
  if (bytes < BYTES_WORTH_AN_ERROR) return void session.run(feeds, fetches)
  const depth = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    session.run(feeds, { ...fetches, [STOP]: null })
  } catch (error) {
    if (!String(error).includes(STOPPED)) throw error
  } finally {
    Error.stackTraceLimit = depth
  }
}

function open(raw: RawBinding): Native['open'] {
  return (model, options) => {
    const session = new raw.binding.InferenceSession()
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, rawOptions(options))
    return {
      run: (feeds, fetches) => runWithoutCopies(session, feeds, fetches),
      fetch: (feeds, names) =>
        session.run(feeds, Object.fromEntries(names.map(name => [name, null]))) as Readonly<Record<string, NativeOutput>>,
      dispose: () => session.dispose(),
    }
  }
}

/** Runs y = x + x once, so that a broken installation is told here and not in the middle of a training run. */
function selfTest(native: Native): string | undefined {
  const output = new Float32Array(2)
  const session = native.open(selfTestModel(), { threads: 1, optimise: false })
  session.run({ x: native.tensor('float32', Float32Array.of(1.5, -2), [2]) }, { t0: native.tensor('float32', output, [2]) })
  session.dispose()
  return output[0] === 3 && output[1] === -4 ? undefined : `its self-test gave [${output}] instead of [3, -4]`
}

const REMEDY = `Run \`npm install onnxruntime-node@${ORT_VERSION} --save-exact\` (with ONNXRUNTIME_NODE_INSTALL=skip before it to leave out the CUDA download); the plain CPU backend goes on meanwhile.`

/**
 * Keeps ONNX Runtime from writing a device id and a database of events into the home folder and sending them away: it looks at this
 * variable once, when its library loads. A worker thread has variables of its own, which the library does not see: start it with
 * `env: SHARE_ENV`, or load the backend in the main thread first.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = '1'
}

/** What was loaded and tried; every graph that is opened asks for it. */
let installed: LoadedNative | undefined

/** Loads ONNX Runtime, or says in two lines why it cannot be used. */
export function loadNative(load?: (name: string) => unknown): LoadedNative {
  if (load) return loadFrom(load)
  if (!installed?.native) installed = loadFrom(createRequire(import.meta.url))
  return installed
}

function loadFrom(load: (name: string) => unknown): LoadedNative {
  disableTelemetry()
  try {
    const { version } = load('onnxruntime-node/package.json') as { version: string }
    if (version !== ORT_VERSION) return { problem: `@tersor/backend-ort needs onnxruntime-node ${ORT_VERSION}, got ${version}.\n${REMEDY}` }
    const raw = load('onnxruntime-node/dist/binding.js') as RawBinding
    const { Tensor } = load('onnxruntime-common') as {
      Tensor: new (dtype: string, values: ArrayBufferView, shape: Shape) => NativeTensor
    }
    raw.initOrt()
    const native: Native = {
      open: open(raw),
      tensor: (dtype, values, shape) => new Tensor(dtype, values, shape),
      typed: (type, values, shape) => new Tensor(type, values, shape),
      constant: (dtype, values, shape) => new Tensor(dtype, arrayFor(dtype, values), shape),
    }
    const fault = selfTest(native)
    return fault === undefined ? { native } : { problem: `onnxruntime-node ${version} loads but ${fault}.\n${REMEDY}` }
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    return { problem: `@tersor/backend-ort cannot load onnxruntime-node: ${reason}\n${REMEDY}` }
  }
}
