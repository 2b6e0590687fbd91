import { createRng } from '@tersor/core'
import type { GraphValue } from '@tersor/models/graph-model'
import { sizeOf } from '@tersor/tensor'
import type { InferenceSession, Tensor } from 'onnxruntime-web'
import module from 'onnxruntime-web/ort-wasm-simd-threaded.mjs?url'
import wasm from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import type { OutputDifference } from './messages.js'

/** Extents that a graph leaves open, by the number of its axes: one image of 224 × 224, or one text of 16 tokens. */
const openExtent = (axis: number, rank: number): number => (axis === 0 ? 1 : rank === 4 ? 224 : 16)

type Numbers = Float32Array | BigInt64Array | Int32Array | Uint8Array

/** What inputs are filled with: normal draws for floats, ones for what counts or hides. */
const VALUES: Readonly<Record<string, (length: number, draw: () => number) => Numbers>> = {
  float32: (length, draw) => Float32Array.from({ length }, draw),
  int64: length => new BigInt64Array(length).fill(1n),
  int32: length => new Int32Array(length).fill(1),
  bool: length => new Uint8Array(length).fill(1),
  uint8: length => new Uint8Array(length).fill(128),
}

const load = async () => {
  const runtime = await import('onnxruntime-web/wasm')
  runtime.env.wasm.wasmPaths = { mjs: new URL(module, location.href).href, wasm: new URL(wasm, location.href).href }
  runtime.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1
  return runtime
}

/** How far outputs are apart: the cosine of the angle between them, and the largest difference relative to the largest value. */
export const differenceOf = (name: string, a: Tensor, b: Tensor): OutputDifference => {
  const [before, after] = [a.data as ArrayLike<number | bigint>, b.data as ArrayLike<number | bigint>]
  let [product, left, right, largest, scale] = [0, 0, 0, 0, 0]
  for (let i = 0; i < before.length; i++) {
    const [x, y] = [Number(before[i]), Number(after[i])]
    product += x * y
    left += x * x
    right += y * y
    largest = Math.max(largest, Math.abs(x - y))
    scale = Math.max(scale, Math.abs(x))
  }
  return { name, shape: a.dims, cosine: product / Math.max(Math.sqrt(left * right), 1e-30), largest: largest / Math.max(scale, 1e-30) }
}

/** Runs both graphs in ONNX Runtime Web on the same drawn inputs. Throws what the runtime throws. */
export const compareOutputs = async (inputs: readonly GraphValue[], before: Blob, after: Blob): Promise<readonly OutputDifference[]> => {
  const { InferenceSession: Session, Tensor: Value } = await load()
  const rng = createRng(0)
  const feeds = Object.fromEntries(
    inputs.map(({ name, dtype, shape = [1] }) => {
      const extents = (shape ?? [1]).map((extent, axis) => (typeof extent === 'number' ? extent : openExtent(axis, shape?.length ?? 1)))
      const length = sizeOf(extents)
      const values = (VALUES[dtype] ?? VALUES.float32)(length, () => rng.normal())
      return [name, new Value(dtype as 'float32', values as Float32Array, extents)]
    }),
  )
  const run = async (graph: Blob): Promise<InferenceSession.OnnxValueMapType> => {
    const session = await Session.create(new Uint8Array(await graph.arrayBuffer()), { logSeverityLevel: 3 })
    try {
      return await session.run(feeds)
    } finally {
      await session.release()
    }
  }
  const [was, is] = [await run(before), await run(after)]
  return Object.keys(was).map(name => differenceOf(name, was[name] as Tensor, is[name] as Tensor))
}
