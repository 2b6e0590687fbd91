import * as tf from '@tensorflow/tfjs-core'
import { createRng, siteInput, type Model, type Site, type Stage } from '@tersor/core'
import { fromFloat32, memoryStore, type DType } from '@tersor/tensor'

/** Widths of the two layers of the smallest model that every method can work on. */
const WIDTHS = [16, 32, 8] as const

export interface PicoOptions {
  readonly seed?: number
  readonly dtype?: DType
  /** Changes the first layer's weights before they are stored. */
  readonly edit?: (values: Float32Array) => void
}

const site = (layer: number): Site => ({ name: `layers.${layer}`, weight: `layers.${layer}.weight`, kind: 'linear', outAxis: 0, inAxis: 1 })

const stage = (layer: number): Stage => ({
  name: `layers.${layer}`,
  parameters: [`layers.${layer}.weight`],
  sites: [site(layer)],
  run: (x, env) =>
    tf.tidy(() => {
      const input = siteInput(site(layer), x, env)
      const y = tf.matMul(input as tf.Tensor2D, env.weights(`layers.${layer}.weight`) as tf.Tensor2D, false, true)
      return layer === 0 ? tf.relu(y) : y
    }),
})

/** A network of two linear layers, 16 → 32 → 8, over (rows, 16). */
export const picoModel = ({ seed = 1, dtype = 'f32', edit }: PicoOptions = {}): Model => {
  const rng = createRng(seed)
  const layer = (index: number): readonly [string, ReturnType<typeof fromFloat32>] => {
    const shape = [WIDTHS[index + 1], WIDTHS[index]]
    const values = Float32Array.from({ length: shape[0] * shape[1] }, () => rng.normal() / Math.sqrt(WIDTHS[index]))
    if (index === 0) edit?.(values)
    return [`layers.${index}.weight`, fromFloat32(values, dtype, shape)]
  }
  return { params: memoryStore(Object.fromEntries([layer(0), layer(1)])), stages: [stage(0), stage(1)] }
}

/** Correlated inputs for it: `batches` tensors of (rows, 16), owned by the caller. */
export const picoBatches = ({
  batches = 3,
  rows = 64,
  seed = 2,
}: { batches?: number; rows?: number; seed?: number } = {}): tf.Tensor2D[] => {
  const rng = createRng(seed)
  return Array.from({ length: batches }, () => {
    const values: number[] = []
    for (let r = 0; r < rows; r++) {
      const shared = rng.normal()
      for (let c = 0; c < WIDTHS[0]; c++) values.push((rng.normal() + shared) * (c % 4 === 0 ? 4 : 1))
    }
    return tf.tensor2d(values, [rows, WIDTHS[0]])
  })
}
