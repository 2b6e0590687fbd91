import type { Scalar, Tensor } from '@tensorflow/tfjs-core'
import type { DType, Parameter } from '@tersor/tensor'
import type { Site } from '../model/model.js'
import type { Patterns } from '../model/pattern-text.js'
import type { Rng } from '../run/rng.js'
import type { Clock, Moment } from './moment.js'

/** Tensors that stand for one weight while training. */
export type TrainingState = Readonly<Record<string, Tensor>>

/** The weight that a parametrization makes, as it stood before: a leaf, or a tree that no step compresses further. */
export interface Place {
  /** Of the parameter, and behind it that of the part where a tree holds it. */
  readonly name: string
  readonly site: Site
  /** (out, in), as methods see it. */
  readonly current: Parameter
  /** Floats that are new are stored in this: how the weight was stored before it was compressed. */
  readonly dtype: DType
  /** What `sees` made of the site's input in a first batch. */
  readonly seen?: Tensor
}

/** What is stored at the end: the weight, and parameters beside it, such as the grid of the site's inputs. */
export type Finished = Parameter | { readonly weight: Parameter; readonly beside: ReadonlyMap<string, Parameter> }

/** Another way to make a site's weight: quantized, masked, multiplied from factors … Weights are (out, in), as methods see them. */
export interface Parametrization<S extends TrainingState = any> {
  readonly name: string
  /** Which sites, by name with * for any run of characters; all but embeddings and the head where absent, as methods have it. */
  readonly only?: Patterns
  readonly except?: Patterns
  /** 'payload' (where absent) takes the place of the payload of whatever tree stands there, so that masks stay; 'whole' that of all of it. */
  readonly rewrites?: 'payload' | 'whole'
  /** Parts of the state without a gradient; whole numbers are among them anyway. */
  readonly frozen?: readonly string[]
  accepts?(site: Site): boolean
  /** What `init` needs to know of the site's input, such as how large it is: (…, in), or (batch, height, width, in). */
  sees?(x: Tensor): Tensor
  /** The tensors that stand for a weight; their values are copied. */
  init(weight: Tensor, place: Place, rng: Rng): S
  /** The weight the network uses, differentiable in the state; asked for once a step. */
  weight(state: S, moment: Moment): Tensor
  /** What the site multiplies in the place of its input while training. */
  input?(state: S, x: Tensor, moment: Moment): Tensor
  /** A number that is added to the loss. */
  penalty?(state: S, moment: Moment): Scalar
  /** New values for the state after each update, such as a projection. */
  constraint?(state: S, clock: Clock): S
  finish(state: S, place: Place): Finished | Promise<Finished>
}
