import * as tf from '@tensorflow/tfjs-core'
import type { ProgressEvent } from '@tersor/core'

/** What a run is stopped by. */
export interface Stopping {
  readonly signal?: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
}

/** A run to its end: what it made, what it told, and how many tensors it left. */
export interface Watched<T> {
  readonly result: T
  readonly events: readonly ProgressEvent[]
  readonly left: number
}

/** Runs to the end and takes notes. */
export const watchedRun = async <T>(run: (watching: Stopping) => Promise<T>): Promise<Watched<T>> => {
  const before = tf.memory().numTensors
  const events: ProgressEvent[] = []
  const result = await run({ onProgress: event => void events.push(event) })
  return { result, events, left: tf.memory().numTensors - before }
}

/** Which events a run is aborted at, counted from 1: the first of each kind in each pass and the last of all; every one where TERSOR_SLOW is 1. */
const placesIn = (events: readonly ProgressEvent[]): readonly number[] => {
  if (process.env.TERSOR_SLOW === '1') return events.map((_, i) => i + 1)
  const kinds = events.map(({ type, pass }) => `${pass} ${type}`)
  return kinds.flatMap((kind, i) => (kinds.indexOf(kind) === i || i === kinds.length - 1 ? [i + 1] : []))
}

/** Runs again and again, aborted at an event that the whole run had: neither leaves a tensor behind, and the reason is the signal's own. */
export const abortEverywhere = async <T>({ events, left }: Watched<T>, run: (stopping: Stopping) => Promise<T>): Promise<void> => {
  expect(left).toBe(0)
  const before = tf.memory().numTensors
  for (const stop of placesIn(events)) {
    const controller = new AbortController()
    let seen = 0
    const onProgress = () => void (++seen === stop && controller.abort(new Error('stopped by the test')))
    await run({ signal: controller.signal, onProgress }).catch(error => expect(String(error)).toContain('stopped by the test'))
    expect(tf.memory().numTensors).toBe(before)
  }
}
