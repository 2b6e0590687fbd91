import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core'
import type { DType, Parameter } from '@tersor/tensor'
import type { Model, Site } from '../model/model.js'
import type { Patterns } from '../model/pattern-text.js'
import type { RecordedOptions } from './options.js'
import type { ProgressEvent } from '../run/progress-event.js'
import type { Rng } from '../run/rng.js'
import type { Storage } from '../run/storage.js'

/** A tensor, or a record of tensors. */
export type Stats = Tensor | { readonly [name: string]: Tensor } | void

/** Statistics of the inputs a site sees. Pure: the runner keeps and frees the tensors. */
export interface Calibration<S extends Stats> {
  init(site: Site, columns: number): S
  /** input: (tokens, columns); patches for a convolution. */
  update(stats: S, input: Tensor2D, site: Site): S
}

/** What a method may know besides the weight. */
export interface Job<S extends Stats = void> {
  readonly site: Site
  readonly stats: S
  /** Rows of input that the statistics saw; 0 without calibration, and where next to none came by: the statistics are then those of none. */
  readonly samples: number
  readonly rng: Rng
  readonly signal: AbortSignal
  /** What `weight` was decoded from, (out, in): a tree, if an earlier step compressed it. */
  readonly current: Parameter
  /** How the weight was stored before the pipeline; new float values are stored likewise. */
  readonly dtype: DType
  /** 1 where an earlier step kept the weight and 0 where it removed it, (out, in); absent where nothing was removed. */
  readonly mask?: Tensor2D
  /** The weight as it was before the pipeline, or behind the last exact pass of it, (out, in); the caller of `original` disposes it. */
  original(): Promise<Tensor2D>
  /** Tells the user something that is legal but unwise. */
  warn(message: string): void
}

/** Compresses one weight at a time. Write this for a new method. */
export interface Method<S extends Stats = any> {
  readonly kind: 'method'
  readonly name: string
  /** Recorded in the saved file. */
  readonly options?: RecordedOptions
  /** Which sites, by name with * for any run of characters; all but embeddings and the head where absent. */
  readonly only?: Patterns
  /** Sites by name that it leaves alone. */
  readonly except?: Patterns
  readonly calibrate?: Calibration<S>
  /**
   * 'payload' (the default) hands over the innermost part that may be compressed again and puts the result in its place;
   * 'whole' hands over the decoded weight and replaces the whole tree.
   */
  readonly rewrites?: 'payload' | 'whole'
  accepts?(site: Site): boolean
  /** weight: (out, in), owned by the runner; returns host data. */
  apply(weight: Tensor2D, job: Job<S>): Parameter | Promise<Parameter>
}

/** Calibration inputs of the first stage, such as token ids (batch, positions); iterated once a pass, owned by the caller. */
export type Batches = Iterable<Tensor> | AsyncIterable<Tensor>

/** What a pass gets from the runner. */
export interface Context extends Storage {
  readonly calibration?: Batches
  readonly rng: Rng
  readonly signal: AbortSignal
  emit(event: ProgressEvent): void
  /** What results are compared with: the model before the pipeline, or what the last exact pass made of it. */
  readonly source: Model
  /** For passes that run others: what the step of an index sees. */
  within(index: number, step: string): Context
  /** And what it made: behind an exact one, later steps compare with that. */
  made(step: Pick<Pass, 'exact'>, model: Model): void
}

/** Rewrites a whole model. Write this only when layers must be seen together. */
export interface Pass {
  readonly kind: 'pass'
  readonly name: string
  readonly options?: RecordedOptions
  /** Of a pipeline. */
  readonly steps?: readonly Step[]
  /** Of rules: the methods that a site is given the first of that takes it. */
  readonly methods?: readonly Method[]
  /**
   * Whether it only writes the same function in other weights, as rotations, scalings and folded norms do. What stands behind it is what
   * later steps compare with: their weights have no counterpart in the model before.
   */
  readonly exact?: boolean
  run(model: Model, context: Context): Promise<Model>
}

export type Step = Pass | Method
