import { InferenceSession, Tensor } from 'onnxruntime-node'

export interface RunTensor {
  readonly dims: readonly number[]
  readonly data: ArrayLike<number>
}

/** Runs a file in ONNX Runtime without the fusions that round activations. */
export const runOnnx = async (
  path: string,
  feeds: Readonly<Record<string, Tensor>>,
  level: 'disabled' | 'basic' | 'all' = 'basic',
): Promise<Readonly<Record<string, RunTensor>>> => {
  const session = await InferenceSession.create(path, { graphOptimizationLevel: level, intraOpNumThreads: 1, logSeverityLevel: 3 })
  try {
    return (await session.run(feeds)) as unknown as Record<string, RunTensor>
  } finally {
    await session.release()
  }
}

export const floats = (data: Float32Array, dims: readonly number[]): Tensor => new Tensor('float32', data, dims)

export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let most = a.length === b.length ? 0 : Infinity
  for (let i = 0; i < a.length; i++) most = Math.max(most, Number.isNaN(a[i]) || Number.isNaN(b[i]) ? Infinity : Math.abs(a[i] - b[i]))
  return most
}
