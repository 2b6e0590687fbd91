import type { Tensor } from '@tensorflow/tfjs-core'
import type { Parameter } from '@tersor/tensor'
import type { Site } from '../model/model.js'
import type { Rng } from '../run/rng.js'

/** Variables that stand for one weight while training. */
export type TrainingState = Readonly<Record<string, Tensor>>

/** Another way to make a site's weight: quantized, masked, multiplied from factors … */
export interface Parametrization<S extends TrainingState = any> {
  readonly name: string
  /** Which sites, by name with * for any run of characters; all but embeddings and the head where absent, as methods have it. */
  readonly only?: string
  accepts?(site: Site): boolean
  /** The trained tensors that stand for the weight; their values are copied. */
  init(site: Site, weight: Tensor, rng: Rng): S
  /** The weight the network uses, differentiable in the state. */
  weight(state: S): Tensor
  /** What is stored at the end. */
  finish(state: S): Parameter | Promise<Parameter>
  /** New values for the state after each update, such as a projection. */
  constraint?(state: S, step: number): S
}
