import { registerKernel } from '@tensorflow/tfjs-core'
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import type { OrtEngine } from './engine.js'
import { arrayOf } from './feeds.js'
import type { NativeArray } from './trace-types.js'

/** The kernel behind `replay` of @tersor/kernels. */
export const WRITE_ROWS_KERNEL = 'OrtWriteRows'

/**
 * Overwrites rows of a tensor where it lies, the one kernel that does: target (…, length, width), rows (…, count, width) come to stand
 * from row `at` on. What is recorded and reads the target runs first.
 */
function kernel(engine: OrtEngine): KernelFunc {
  const { backend } = engine
  return ({ inputs, attrs }) => {
    const named = inputs as Record<string, TensorInfo>
    const [target, rows] = [backend.operandOf(named['target']), backend.operandOf(named['rows'])]
    if (target.value.node !== null || rows.value.node !== null || target.value.pins > 0) engine.flush()
    const [to, from] = [arrayOf(target), arrayOf(rows)]
    const [length, width] = target.shape.slice(-2) as [number, number]
    const size = rows.shape.at(-2)! * width
    const start = (attrs as { readonly at: number }).at * width
    for (let at = 0, source = 0; source < from.length; at += length * width, source += size)
      to.set(from.subarray(source, source + size) as NativeArray & Float32Array, at + start)
    return backend.own(target)
  }
}

export function registerWriteRows(engine: OrtEngine, backendName: string): void {
  registerKernel({ kernelName: WRITE_ROWS_KERNEL, backendName, kernelFunc: kernel(engine) })
}
