import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { registerGradients } from './gradients.js'
import { registerPlainKernels } from './plain-engine/register.js'
import { registerWasmGather } from './wasm-gather.js'
import { registerWasmMatMul } from './wasm-mat-mul.js'

export type EngineName = 'node-gpu' | 'webgpu' | 'ort' | 'wasm' | 'cpu'

/** How one engine fared. */
export interface EngineAttempt {
  readonly engine: EngineName
  readonly started: boolean
  readonly reason: string
}

export interface EngineChoice {
  /** The engine that runs now. */
  readonly engine: EngineName
  /** Why this one. */
  readonly reason: string
  /** Every engine tried, in order, the chosen one last. */
  readonly tried: readonly EngineAttempt[]
}

export interface EngineOptions {
  /** Take this one or fail; the environment's TERSOR_ENGINE says the same from outside. */
  readonly engine?: EngineName
  /** Hears of every attempt as it is made. */
  readonly onReport?: (attempt: EngineAttempt) => void
}

interface Candidate {
  readonly backend: string
  readonly packageName: string
  readonly about: string
  /** Why it cannot start here whatever is installed; known before its package is loaded, which takes a while. */
  absent?(): string | undefined
}

/** From the fastest to the one that is always there. */
const CANDIDATES: Readonly<Record<EngineName, Candidate>> = {
  'node-gpu': { backend: 'tensorflow', packageName: '@tensorflow/tfjs-node-gpu', about: 'TensorFlow with CUDA' },
  webgpu: {
    ...{ backend: 'webgpu', packageName: '@tensorflow/tfjs-backend-webgpu', about: 'WebGPU' },
    absent: () => ((globalThis.navigator as { readonly gpu?: unknown } | undefined)?.gpu ? undefined : 'there is no WebGPU here'),
  },
  ort: { backend: 'ort', packageName: '@tersor/backend-ort', about: 'native kernels of ONNX Runtime on the CPU' },
  wasm: { backend: 'wasm', packageName: '@tensorflow/tfjs-backend-wasm', about: 'WebAssembly on the CPU' },
  cpu: { backend: 'cpu', packageName: '@tensorflow/tfjs-backend-cpu', about: 'plain JavaScript on the CPU, which is slow' },
}
/** Kernels of an engine that are replaced where it starts. */
const MENDED: Readonly<Partial<Record<EngineName, readonly (() => void)[]>>> = {
  wasm: [registerWasmMatMul, registerWasmGather],
  cpu: [registerPlainKernels],
}
const ENGINES = Object.keys(CANDIDATES) as EngineName[]

const firstLine = (error: unknown) => String(error instanceof Error ? error.message : error).split('\n')[0]

/** Imports the package that registers the backend and tells what went wrong; a bundle for the browser imports it itself beforehand. */
async function register(backend: string, packageName: string): Promise<string | undefined> {
  const loaded = (await import(/* @vite-ignore */ /* webpackIgnore: true */ packageName)) as { readonly problem?: string }
  return tf.findBackendFactory(backend) == null
    ? firstLine(loaded.problem ?? `${packageName} registered no backend "${backend}"`)
    : undefined
}

/** Switches tfjs to the engine's backend; the reason tells what happened. */
async function start(engine: EngineName): Promise<EngineAttempt> {
  const { backend, packageName, about, absent } = CANDIDATES[engine]
  const failed = (reason: string): EngineAttempt => ({ engine, started: false, reason })
  try {
    const problem = absent?.() ?? (tf.findBackendFactory(backend) == null ? await register(backend, packageName) : undefined)
    if (problem !== undefined) return failed(problem)
    const accepted = await tf.setBackend(backend)
    await tf.ready()
    if (!accepted || tf.getBackend() !== backend) return failed(`tfjs went to "${tf.getBackend()}" instead of "${backend}"`)
    MENDED[engine]?.forEach(mend => mend())
    return { engine, started: true, reason: about }
  } catch (error) {
    const missing = /cannot find (module|package)/i.test(firstLine(error)) && firstLine(error).includes(packageName)
    return failed(missing ? `${packageName} is not installed` : firstLine(error))
  }
}

function wanted(options: EngineOptions): EngineName | undefined {
  const name = options.engine ?? (typeof process === 'undefined' ? undefined : process.env['TERSOR_ENGINE'] || undefined)
  if (name === undefined || ENGINES.includes(name as EngineName)) return name as EngineName | undefined
  throw new CompressionError('NO_ENGINE', `There is no engine "${name}".`, `Use one of ${ENGINES.join(', ')}.`, { engine: name })
}

function refusal(tried: readonly EngineAttempt[]): CompressionError {
  const { engine, reason } = tried.at(-1)!
  const what =
    tried.length === 1 ? `The engine "${engine}" cannot start: ${reason}.` : `No engine can start; the last, "${engine}": ${reason}.`
  const remedy = `Install it with \`npm install ${CANDIDATES[engine].packageName}\`, or leave the choice open (unset TERSOR_ENGINE).`
  return new CompressionError('NO_ENGINE', what, remedy, { engine, tried })
}

/**
 * Starts the fastest engine that is installed and says which it is.
 * An engine asked for by name is taken or refused with `NO_ENGINE`, never replaced.
 */
export async function selectEngine(options: EngineOptions = {}): Promise<EngineChoice> {
  const name = wanted(options)
  const tried: EngineAttempt[] = []
  for (const engine of name === undefined ? ENGINES : [name]) {
    const attempt = await start(engine)
    tried.push(attempt)
    options.onReport?.(attempt)
    if (!attempt.started) continue
    registerGradients()
    return { engine, reason: name === undefined ? attempt.reason : `${attempt.reason}, as asked`, tried }
  }
  throw refusal(tried)
}
