import { createRng } from '@tersor/core'
import { encodeModel, graphBuilder, modelOf, tensorHeader } from '@tersor/onnx/file'
import { dense } from '@tersor/tensor'
import { writeFile } from 'node:fs/promises'

/** Writes x → relu(x · W₀) · W₁ …, square weights of normal draws scaled so that values keep their size; float32. */
export const writeChain = async (path: string, width: number, layers: number): Promise<void> => {
  const rng = createRng(1)
  const graph = graphBuilder('node_')
  let value = 'x'
  for (let i = 0; i < layers; i++) {
    value = graph.op('MatMul', [value, `w${i}`])
    if (i < layers - 1) value = graph.op('Relu', [value])
  }
  graph.rename(value, 'y')
  const initializers = Array.from({ length: layers }, (_, i) => {
    const numbers = Float32Array.from({ length: width * width }, () => rng.normal() * Math.sqrt(2 / width))
    const bytes = new Uint8Array(numbers.buffer)
    return Object.assign(tensorHeader(`w${i}`, dense('f32', [width, width], bytes)), { rawData: bytes })
  })
  const model = modelOf({
    ...{ name: 'chain', graph, initializers },
    inputs: [{ name: 'x', dtype: 'f32', shape: ['rows', width] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: ['rows', width] }],
  })
  await writeFile(path, encodeModel(model))
}
