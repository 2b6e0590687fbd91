import { adam, crossEntropy, train, type Batch, type Model } from '@tersor/core'

/** Learning rate of what is timed. */
export const RATE = 1e-3

/** A training that stands still until it is asked for a step. */
export interface Stepper {
  /** One step, its loss read. */
  step(): Promise<void>
  /** Ends it, and frees what it holds. */
  stop(): Promise<void>
}

/** `train` itself, by Adam on the cross entropy, which waits for its next batch until it is asked for a step. */
export const stepping = (model: Model, data: (step: number) => Batch): Stepper => {
  const controller = new AbortController()
  let [ask, done] = [() => {}, () => {}]
  let asked = new Promise<void>(resolve => (ask = resolve))
  const next = async (step: number): Promise<Batch> => {
    await asked
    asked = new Promise(resolve => (ask = resolve))
    return data(step)
  }
  const ended = train(model, {
    ...{ objective: crossEntropy, transform: adam({ learningRate: RATE }), data: next, steps: Number.MAX_SAFE_INTEGER },
    ...{ signal: controller.signal, onProgress: () => done() },
  }).then(
    () => {},
    (error: unknown) => {
      if (!controller.signal.aborted) throw error
    },
  )
  ended.catch(() => {}) // who asks for a step is told
  return {
    step: () => Promise.race([new Promise<void>(resolve => ((done = resolve), ask())), ended]),
    stop: () => {
      controller.abort()
      ask()
      return ended
    },
  }
}
