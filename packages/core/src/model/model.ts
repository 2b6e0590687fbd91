import type { Tensor } from '@tensorflow/tfjs-core'
import type { ParameterStore } from '@tersor/tensor'
import type { AttentionFacts, LayerCache } from '../cache/layer-cache.js'
import type { Provenance } from '../run/provenance.js'
import type { Channels } from './channels.js'
import type { Block, Change, Coupling, Sorted } from './coupling.js'

export type { Channels }

/** How a convolution walks its input: what the runner needs to unfold patches. */
export interface ConvolutionGeometry {
  /** Height and width of the kernel. */
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  /** Zeros around the input: top, bottom, left, right. */
  readonly padding: readonly [number, number, number, number]
  /** How far apart the cells of the kernel stand, down and across; 1 where absent. */
  readonly dilations?: readonly [number, number]
  /** Whether each channel has kernels of its own: then outAxis and inAxis are both the channels', and a row of the matrix is one channel's kernel. */
  readonly depthwise?: boolean
}

/** Where a weight meets an activation. */
export interface Site {
  /** The module's name, such as "model.layers.0.mlp.up_proj". */
  readonly name: string
  /** The name of its weight in the store. */
  readonly weight: string
  readonly kind: 'linear' | 'conv2d' | 'embedding'
  readonly outAxis: number
  readonly inAxis: number
  /** Whether it makes the network's output; such sites and embeddings are left alone unless named by `only`. */
  readonly head?: boolean
  /** Whether the format that it came from holds a scale for each row of its weight at most, none for parts of rows. */
  readonly rowsOnly?: boolean
  /** The name of the bias that is added to its product, where that is not the site's name with ".bias". */
  readonly bias?: string
  /** Set for conv2d; its weight is (out, in, height, width), (out, in, width) over images of height 1, or (height, width, in, out) where inAxis is 2; its taps are images (batch, height, width, in). */
  readonly convolution?: ConvolutionGeometry
}

/** Decoded weights by parameter name; the provider owns the tensors. */
export type Weights = (name: string) => Tensor
/** What is done to a site's product behind it: y · scale + shift, (out) each. */
export interface AfterProduct {
  readonly scale?: Tensor
  readonly shift?: Tensor
}

/** A site about to multiply. */
export interface SiteProduct {
  readonly site: Site
  /** (rows, in), or images (batch, height, width, in) for a convolution. */
  readonly input: Tensor
  /** The site's weight, in the shape of its parameter, decoded when it is asked for. */
  readonly weight: () => Tensor
  /** x · Wᵀ of any input and any weight in the shapes of this site's: what the stage computes by itself is `times(input, weight())`. */
  readonly times: (input: Tensor, weight: Tensor) => Tensor
  /** Its bias, or the norm behind it; neither where the norm measures the product itself. */
  readonly after: () => AfterProduct
}

/** Takes the place of a site's product, without what is done behind it; undefined leaves it to the stage. */
export type Product = (asked: SiteProduct) => Tensor | undefined
/** Sees the input of a site: (…, in), or (batch, height, width, in) for a convolution. */
export type Tap = (site: Site, input: Tensor) => void
/** Replaces the input of a site by one of the same shape. */
export type Activation = (site: Site, input: Tensor) => Tensor

/**
 * Sees what stages make on their way: of a stage by its name its output (…), of an attention block by the name of its module
 * `.queries`, `.keys` and `.values` (batch, heads, tokens, size), `.logits` and `.shares` (batch, heads, queries, keys), of a router
 * `.logits` and `.shares` (rows, experts), of an expert `.outputs`, what it adds by its share (rows, hidden), of a
 * site by its name `.inputs`, what it multiplies (…, in). The value is made when it is asked for, which is during the call alone and inside the stage's
 * tidy: whoever needs it later holds it by `tf.keep` (gradients pass through it). Logits and shares of attention are computed again,
 * since a stage that works in bands never holds them whole.
 */
export type Probe = (place: string, value: () => Tensor) => void

/** A batch norm: the buffers of its running mean and variance, (channels) each, and the share of a batch in a step of theirs. */
export interface Statistics {
  /** The module's name, such as "layer1.0.bn1". */
  readonly norm: string
  readonly mean: string
  readonly variance: string
  readonly momentum: number
}

/** What a norm divides by, (channels) each; the variance is the plain mean of squares, not the unbiased estimate that is stored. */
export interface Moments {
  readonly mean: Tensor
  readonly variance: Tensor
}

/** The line that the inputs of a site are rounded to: value = scale · (code − zero), code 0 … 2^bits − 1; scale and zero: (1). */
export interface InputGrid {
  readonly bits: number
  readonly scale: Tensor
  readonly zero: Tensor
}

/** What a stage may ask for while it runs. */
export interface Env {
  readonly weights: Weights
  /** Takes the place of the products of linear layers and convolutions; asked before `weights`, see `siteProduct`. */
  readonly product?: Product
  readonly tap?: Tap
  /** What a site multiplies instead of its input, such as the input on a grid of 8 bits; see `siteInput`. */
  readonly activation?: Activation
  /** The grid that `activation` rounds a site's input to, for graphs that a runtime runs as a whole; the provider owns the tensors. */
  readonly inputGrid?: (site: Site) => InputGrid | undefined
  readonly probe?: Probe
  /** What a batch norm takes in the place of its stored measures, such as `batchMoments` of what it is about to normalise, y (batch, …, channels). */
  readonly moments?: (norm: Statistics, y: Tensor) => Moments
  readonly cache?: LayerCache
  /** The position of the first of these tokens; the cache's next, or 0, where absent. */
  readonly past?: number
  /** Absolute position of each token, int32 (tokens); 0, 1, 2 … where absent. */
  readonly positions?: Tensor
  /** 1 for a token and 0 for padding, (batch, tokens); all are tokens where absent. Encoders read it. */
  readonly attended?: Tensor
}

/** Channels that can be divided where they are made and multiplied where they are read, and nothing else changes. */
export interface Scaling {
  readonly source: 'norm' | 'linear'
  /** A norm's weight and bias, or a linear layer's rows and bias. */
  readonly from: readonly Channels[]
  /** The linear layers that read them, by their input channels. */
  readonly sites: readonly Site[]
  /** What reads them besides, such as the router of experts. */
  readonly readers?: readonly Channels[]
}

/** Vectors of some size, side by side, between two linear layers: both sides can be turned alike, and nothing else changes. */
export interface Rotation {
  readonly size: number
  readonly from: readonly Channels[]
  readonly to: readonly Channels[]
}

/** The stream that blocks read through root-mean-square norms and add to: it can be turned as a whole once the norms' weights are in their readers. */
export interface Residual {
  readonly size: number
  readonly writers: readonly Channels[]
  readonly norms: readonly { readonly weight: Channels; readonly readers: readonly Channels[] }[]
  /** Where the head is the embedding: what its own weight would be called. `Model.with` makes the network that has it. */
  readonly untied?: { readonly embedding: string; readonly head: string }
}

/** Pairs (xᵢ, xᵢ₊ₕ), h = size / 2, of queries and keys that positions turn together: each key head can have its own in another order, if its queries do and the table goes with them. */
export interface RotaryPairs {
  readonly size: number
  /** Query heads that look at one key head. */
  readonly groups: number
  /** Rows and biases, head by head. */
  readonly queries: readonly Channels[]
  readonly keys: readonly Channels[]
  /** The parameter that says which frequency turns each pair, i32 (key heads, h); its network has the pairs in their own order where there is none. */
  readonly table: string
}

/** A stretch of the forward pass that fits in memory, such as one transformer block. */
export interface Stage {
  readonly name: string
  /** Every parameter that `run` asks for. */
  readonly parameters: readonly string[]
  /** Those that no training changes, such as running means and grids of inputs; whole numbers are none of its variables anyway. */
  readonly buffers?: readonly string[]
  /** Whether gradients pass through `run`; false where another runtime computes it. */
  readonly differentiable?: boolean
  readonly sites: readonly Site[]
  /** Its attention block, where it has one over tokens before it: what a cache must know. */
  readonly attention?: AttentionFacts
  /** Its batch norms, in the order in which `run` asks `env.moments`. */
  readonly statistics?: readonly Statistics[]
  /** Channels within the stage whose scale is free. */
  readonly scalings?: readonly Scaling[]
  /** Vectors within the stage whose direction is free. */
  readonly rotations?: readonly Rotation[]
  /** Pairs of queries and keys whose order is free. */
  readonly pairs?: RotaryPairs
  /** Maps the previous stage's output to this one's; the caller owns both. Runs inside the caller's tidy. */
  run(x: Tensor, env: Env): Tensor
}

/** Numbers that methods cannot compress where they stand, and what meets them there. */
export interface OtherWeight {
  readonly name: string
  readonly operator: string
  readonly bytes: number
}

/** Units of an imported graph that stay whole, by the weight that makes them, and why. */
export interface WholeUnits {
  readonly weight: string
  readonly units: number
  readonly reason: string
}

/** How a network is made again. */
export interface Remade {
  /** What a parameter is called in the new network; undefined where it is gone. */
  rename(name: string): string | undefined
  /** The new network over parameters that are cut and renamed. */
  over(params: ParameterStore): Model
}

/** A network: stages in order over a store of parameters. */
export interface Model {
  readonly params: ParameterStore
  readonly stages: readonly Stage[]
  /** Axes that shrink together. */
  readonly couplings?: readonly Coupling[]
  /** Which of them stand with the best first. */
  readonly sorted?: Sorted
  /** Of an imported graph: units that no coupling names, since it is not known what happens to them. */
  readonly whole?: readonly WholeUnits[]
  /** Parts that can be left out. */
  readonly blocks?: readonly Block[]
  readonly residual?: Residual
  /** Of an imported graph: weights that are no sites, largest first. */
  readonly others?: readonly OtherWeight[]
  /** The same network over other parameters, which decide what of it there is: a head of its own, batch norms folded or not, grids of inputs. */
  with?(params: ParameterStore): Model
  /** The same network with biases of zero on the layers that can have some and have none; absent where there are no such layers. */
  withBiases?(): Model
  /** The same kind of network with fewer units and blocks; asked by `shrink`, which has checked the change. */
  remake?(change: Change): Remade
  /** What was done to the parameters so far, in order. */
  readonly provenance?: readonly Provenance[]
  /** What an imported graph computes with its parameters: a run goes on only over the same. */
  topology?(): Uint8Array
}

/** The name of a site's bias, where it has one. */
export const biasNameOf = ({ name, bias }: Site): string => bias ?? `${name}.bias`

/** All sites of a model, in order. */
export const sitesOf = (model: Model): readonly Site[] => model.stages.flatMap(stage => stage.sites)
