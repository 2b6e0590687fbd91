import * as tf from '@tensorflow/tfjs-core'
import { createRng, siteProduct, type Coupling, type Model, type Site, type Stage } from '@tersor/core'
import { fromFloat32, memoryStore, type DType, type ParameterStore } from '@tersor/tensor'

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
      const y = siteProduct(site(layer), x, env, (input, weight) => tf.matMul(input, weight, false, true))
      return layer === 0 ? tf.relu(y) : y
    }),
})

const weightOf = (layer: number): string => `layers.${layer}.weight`

/** Two linear layers over any store of their weights, with the neurons between them. */
const layersOver = (params: ParameterStore): Model => {
  const neurons: Coupling = {
    ...{ name: 'neurons', kind: 'neurons', units: params.info(weightOf(0)).shape[0] },
    members: [
      { parameter: weightOf(0), axis: 0, role: 'writes' },
      { parameter: weightOf(1), axis: 1, role: 'reads' },
    ],
  }
  return { params, stages: [stage(0), stage(1)], couplings: [neurons], remake: () => ({ rename: name => name, over: layersOver }) }
}

/** A network of two linear layers, 16 → 32 → 8, over (rows, 16). */
export const picoModel = ({ seed = 1, dtype = 'f32', edit }: PicoOptions = {}): Model => {
  const rng = createRng(seed)
  const layer = (index: number): readonly [string, ReturnType<typeof fromFloat32>] => {
    const shape = [WIDTHS[index + 1], WIDTHS[index]]
    const values = Float32Array.from({ length: shape[0] * shape[1] }, () => rng.normal() / Math.sqrt(WIDTHS[index]))
    if (index === 0) edit?.(values)
    return [weightOf(index), fromFloat32(values, dtype, shape)]
  }
  return layersOver(memoryStore(Object.fromEntries([layer(0), layer(1)])))
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
