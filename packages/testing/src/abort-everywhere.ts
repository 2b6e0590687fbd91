import * as tf from '@tensorflow/tfjs-core'
import type { ProgressEvent } from '@tersor/core'
import { placesTried } from './places-tried.js'

/** What a run is stopped by. */
export interface Stopping {
  readonly signal?: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
}

/** Runs once to the end and then again, aborted at an event, at the first, the last and some between or at all of them: neither leaves a tensor behind, and the reason is the signal's own. */
export const abortEverywhere = async (run: (stopping: Stopping) => Promise<unknown>): Promise<void> => {
  const before = tf.memory().numTensors
  let events = 0
  await run({ onProgress: () => events++ })
  expect(tf.memory().numTensors).toBe(before)
  for (const stop of placesTried(events)) {
    const controller = new AbortController()
    let seen = 0
    const onProgress = () => void (++seen === stop && controller.abort(new Error('stopped by the test')))
    await run({ signal: controller.signal, onProgress }).catch(error => expect(String(error)).toContain('stopped by the test'))
    expect(tf.memory().numTensors).toBe(before)
  }
}
