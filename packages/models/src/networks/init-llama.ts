import type { Rng } from '@tersor/core'
import { fromFloat32, memoryStore, sizeOf, type DType, type ParameterStore } from '@tersor/tensor'
import type { LlamaConfig } from './llama-config.js'
import { llamaParameters, type LlamaParameter } from './llama-parameters.js'

export interface InitOptions {
  /** Of the normal distribution of weights. */
  readonly deviation?: number
  readonly dtype?: DType
}

const valuesOf = ({ shape, start }: LlamaParameter, rng: Rng, deviation: number, residual: number): Float32Array => {
  const values = new Float32Array(sizeOf(shape))
  if (start === 'zero') return values
  if (start === 'one') return values.fill(1)
  const scale = start === 'residual' ? deviation * residual : deviation
  return values.map(() => scale * rng.normal())
}

/**
 * Fresh weights for training: normal with deviation 0.02, norms 1, biases 0.
 * What is added to the residual stream (o_proj, down_proj) is scaled by 1 / √(2 · layers), so that its variance does not grow with depth.
 */
export const initLlama = (config: LlamaConfig, rng: Rng, { deviation = 0.02, dtype = 'f32' }: InitOptions = {}): ParameterStore => {
  const residual = 1 / Math.sqrt(2 * config.layers)
  return memoryStore(
    Object.fromEntries(
      llamaParameters(config).map(parameter => [
        parameter.name,
        fromFloat32(valuesOf(parameter, rng.fork(parameter.name), deviation, residual), dtype, parameter.shape),
      ]),
    ),
  )
}
