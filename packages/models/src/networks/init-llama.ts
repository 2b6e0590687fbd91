import type { Rng } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { freshStore, type InitOptions } from './fresh-weights.js'
import type { LlamaConfig } from './llama-config.js'
import { eachParameter } from './llama-parameters.js'

export type { InitOptions }

/**
 * Fresh weights for training: normal with deviation 0.02, norms 1, biases 0.
 * What is added to the residual stream (o_proj, down_proj) is scaled by 1 / √(2 · layers), so that its variance does not grow with depth.
 */
export const initLlama = (config: LlamaConfig, rng: Rng, options: InitOptions = {}): ParameterStore =>
  freshStore(eachParameter(config), rng, options)
