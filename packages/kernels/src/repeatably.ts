import * as tf from '@tensorflow/tfjs-core'

/** What this file takes from @tersor/backend-ort, which is loaded by now. */
interface Backend {
  repeatably<T>(work: () => Promise<T>): Promise<T>
}

/** An optional peer: types come from here, so that this package builds without it. */
const BACKEND: string = '@tersor/backend-ort'

/**
 * Runs work that gives the same bits whatever the process computed before, as a run that goes on after a stop must: the backend on
 * ONNX Runtime otherwise compiles what comes often, and compiled graphs round differently. Other engines have no such memory.
 */
export const repeatably = async <T>(work: () => Promise<T>): Promise<T> => {
  if (tf.getBackend() !== 'ort') return work()
  const backend = (await import(/* @vite-ignore */ /* webpackIgnore: true */ BACKEND)) as Backend
  return backend.repeatably(work)
}
