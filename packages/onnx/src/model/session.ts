import type * as Binding from '@tersor/backend-ort/binding'
import type { Native, NativeSession } from '@tersor/backend-ort/binding'
import { heldTensors, runnableModel, type Onnx, type RoundedInput, type TensorProto } from '../file.js'
import { oneLine } from '@tersor/formats/internal/files/bad-file'
import { CompressionError } from '@tersor/tensor'

/** A graph that is loaded into the runtime. */
export interface GraphSession {
  readonly native: Native
  readonly session: NativeSession
  /** What stands for the input of a site once it is rounded. */
  readonly roundedNames: ReadonlyMap<string, string>
}

/** Imported by name, so that bundles for the browser leave it out. */
const RUNTIME = '@tersor/backend-ort/binding'

/** ONNX Runtime's synchronous door, or why there is none. */
const loadRuntime = async (): Promise<{ readonly native?: Native; readonly problem?: string }> => {
  try {
    const { loadNative } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ RUNTIME)) as typeof Binding
    return loadNative()
  } catch (cause) {
    return {
      problem: `@tersor/backend-ort cannot be loaded: ${(cause as Error).message.split('\n')[0]}\nInstall it: npm install @tersor/backend-ort.`,
    }
  }
}

const noEngine = (problem: string): CompressionError => {
  const [what, remedy = 'Install @tersor/backend-ort.'] = problem.split('\n')
  return new CompressionError('NO_ENGINE', what, remedy)
}

const refused = (cause: unknown): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    oneLine(`ONNX Runtime refuses the graph: ${(cause as Error).message}`),
    'Check that the graph runs in ONNX Runtime 1.30.',
    {},
    cause,
  )

/** What the runtime throws while a graph runs, such as of indices past the end of a table; `inputs` says what it was given. */
export const stopped = (cause: unknown, inputs: string): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    oneLine(`ONNX Runtime stopped: ${(cause as Error).message}`),
    oneLine(`Check that the graph runs in ONNX Runtime 1.30 on inputs of these shapes: ${inputs}.`),
    {},
    cause,
  )

/** The runtime, and the data that it is not fed; or why there is no runtime. */
export interface Runtime {
  readonly native?: Native
  readonly problem?: string
  readonly held: ReadonlyMap<string, TensorProto>
}

/** Loads the runtime, and reads what it holds of a graph besides the weights that are fed. */
export const openRuntime = async (onnx: Onnx, fed: ReadonlySet<string>): Promise<Runtime> => {
  const loaded = await loadRuntime()
  return { ...loaded, held: loaded.native ? await heldTensors(onnx, fed) : new Map() }
}

/**
 * Sessions that are made at the first run, from what is read now: one for the graph as it is, and one for the inputs that are rounded now.
 * `get` throws NO_ENGINE, and UNSUPPORTED for a graph that the runtime refuses.
 */
export const graphSessions = (onnx: Onnx, fed: ReadonlySet<string>, taps: readonly string[], { native, problem, held }: Runtime) => {
  const make = native && runnableModel(onnx, fed, held)
  const kept = new Map<boolean, GraphSession & { readonly key: string }>()
  const get = (rounded: readonly RoundedInput[]): GraphSession => {
    if (!native || !make) throw noEngine(problem ?? 'There is no runtime for ONNX graphs.')
    const [isRounded, key] = [rounded.length > 0, JSON.stringify(rounded)]
    const known = kept.get(isRounded)
    if (known?.key === key) return known
    const { bytes, roundedNames } = make(taps, rounded)
    try {
      const made = { native, session: native.open(bytes, { threads: 0, optimise: false }), roundedNames, key }
      known?.session.dispose()
      kept.set(isRounded, made)
      return made
    } catch (cause) {
      throw refused(cause)
    }
  }
  /** A session of its own for the graph as `edit` leaves it, without taps; the caller disposes it. */
  const open = (rounded: readonly RoundedInput[], edit: (bytes: Uint8Array) => Uint8Array): Pick<GraphSession, 'native' | 'session'> => {
    if (!native || !make) throw noEngine(problem ?? 'There is no runtime for ONNX graphs.')
    try {
      return { native, session: native.open(edit(make([], rounded).bytes), { threads: 0, optimise: false, arena: true }) }
    } catch (cause) {
      throw refused(cause)
    }
  }
  return { get, open, dispose: (): void => kept.forEach(({ session }) => session.dispose()) }
}
