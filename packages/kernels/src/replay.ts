import * as tf from '@tensorflow/tfjs-core'

/** A function of tensors that runs without its JavaScript after the first call. */
export interface Replay {
  (...inputs: tf.Tensor[]): tf.Tensor[]
  /** Overwrites rows of a tensor that is an input: target (…, length, width) from row `at` on by rows (…, count, width). */
  writeRows(target: tf.Tensor, rows: tf.Tensor, at: number): void
  dispose(): void
}

export interface ReplayOptions {
  /** Whether weights that are no inputs are copied into the graph, up to a quarter GiB, which makes their products faster. */
  readonly embeds?: boolean
}

type Compute = (...inputs: tf.Tensor[]) => tf.Tensor[]

/** What this file takes from @tersor/backend-ort, which is loaded by now. */
interface Backend {
  capture(compute: Compute, options: { readonly records: 'first'; readonly embeds: boolean; readonly refused: 'run' }): Compute & { dispose(): void }
}

/** An optional peer: types come from here, so that this package builds without it. */
const BACKEND: string = '@tersor/backend-ort'
const WRITE_ROWS = 'OrtWriteRows'

/**
 * Makes a function that is recorded at its first call and from then on runs as one graph, for steps that are repeated so often that the
 * time of JavaScript counts, such as the decoding of tokens. Its tensors may change their values from call to call but not their shapes;
 * numbers in it are frozen, and it may create no variables. One that no single graph holds, because it reads values or uses a kernel that
 * does not run natively, runs its JavaScript each time instead. Undefined on engines other than @tersor/backend-ort.
 */
export const replay = async (compute: Compute, { embeds = false }: ReplayOptions = {}): Promise<Replay | undefined> => {
  if (tf.getKernel(WRITE_ROWS, tf.getBackend()) === undefined) return undefined
  const { capture } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ BACKEND)) as Backend
  const captured = capture(compute, { records: 'first', embeds, refused: 'run' })
  const writeRows = (target: tf.Tensor, rows: tf.Tensor, at: number): void =>
    tf.dispose(tf.engine().runKernel(WRITE_ROWS, { target, rows }, { at }) as tf.Tensor)
  return Object.assign((...inputs: tf.Tensor[]) => captured(...inputs), { writeRows, dispose: () => captured.dispose() })
}
