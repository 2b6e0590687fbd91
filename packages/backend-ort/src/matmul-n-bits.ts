import { registerKernel } from '@tensorflow/tfjs-core'
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core'
import type { OrtEngine } from './engine.js'
import { arrayOf } from './feeds.js'
import type { Operand } from './trace-types.js'

/** The kernel behind `packedProduct` of @tersor/kernels. */
export const N_BITS_KERNEL = 'OrtMatMulNBits'

export type NBitsAttributes = {
  /** 2, 4 or 8. */
  readonly bits: number
  /** 4 rounds activations to 8 bits, block by block; 1 computes in float32, natively for 4 bits alone. */
  readonly level: 1 | 4
}

/**
 * x · Wᵀ with W kept packed, by MatMulNBits of com.microsoft: x (m, columns), codes bool (rows, blocks, bytes of a block), scales
 * (rows, blocks), zeros bool (rows, bytes). ONNX Runtime rearranges W when a graph is loaded, which makes it fast, and only where W is a
 * constant: so the tensors stand in the graphs that use them, and disposing one frees those graphs.
 */
function kernel(engine: OrtEngine): KernelFunc {
  const { backend, trace } = engine
  let count = 0
  const embedded = (operand: Operand): string => {
    backend.materialise(operand.value)
    return `w${(operand.value.embedded ??= count++)}`
  }
  return ({ inputs, attrs }) => {
    const { bits, level } = attrs as NBitsAttributes
    const named = inputs as Record<string, TensorInfo | undefined>
    const constants = ['codes', 'scales', 'zeros'].flatMap(name => (named[name] ? [backend.operandOf(named[name])] : []))
    const x = backend.operandOf(named.x!)
    const [rows, , bytes] = constants[0].shape as [number, number, number]
    const [m, columns] = x.shape as [number, number]
    const names = constants.map(embedded)
    const arrays = constants.map(operand => arrayOf(operand))
    const options = { K: columns, N: rows, bits, block_size: (bytes * 8) / bits, accuracy_level: level }
    const product = trace.record({
      op: 'MatMulNBits',
      inputs: [x],
      attributes: `${names},${bits},${level}`,
      shape: [m, rows],
      dtype: 'float32',
      polymorphic: true,
      emit: (graph, [name]) =>
        graph.microsoft(
          'MatMulNBits',
          [name, ...arrays.map((array, index) => graph.embed(names[index], constants[index].shape, array as Uint8Array | Float32Array))],
          options,
        ),
    })
    const result = backend.own(product)
    engine.relieve()
    return result
  }
}

export function registerMatMulNBits(engine: OrtEngine, backendName: string): void {
  registerKernel({ kernelName: N_BITS_KERNEL, backendName, kernelFunc: kernel(engine) })
}
