import { findBackend } from '@tensorflow/tfjs-core'
import { OrtBackend } from './backend.js'
import type { OrtEngine, Statistics } from './engine.js'
import { BACKEND_NAME } from './register.js'
import type { Settings } from './settings.js'

/** The engine behind the registered backend. */
export function engineOfBackend(): OrtEngine {
  const backend = findBackend(BACKEND_NAME)
  if (backend instanceof OrtBackend) return backend.controls() as OrtEngine
  throw new Error('The backend "ort" is not registered.\nImport @tersor/backend-ort first, and see the warning it printed.')
}

/** Sets threads, memory kept for reuse and number of compiled graphs kept; gives the settings in force. */
export function configure(settings: Partial<Settings>): Settings {
  return engineOfBackend().configure(settings)
}

/**
 * Runs work whose bits hang on the work alone: whatever has more than two nodes is compiled when it is first seen. Elsewhere a trace is
 * run node by node until it comes again, and the graph that is compiled then may round differently.
 */
export function repeatably<T>(work: () => Promise<T>): Promise<T> {
  return engineOfBackend().repeatably(work)
}

/** Runs everything recorded so far, without reading a value. */
export function flush(): void {
  engineOfBackend().flush()
}

/** Counts of flushes, compiled graphs and kernels that went to tfjs-cpu. */
export function statistics(): Statistics {
  return engineOfBackend().statistics()
}
