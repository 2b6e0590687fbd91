import type { Channels } from './channels.js'

/**
 * Where units stand on an axis of a parameter: unit u owns start + r · stride + (u − first) · size + i for all r < repeats and i < size. Heads, flattened
 * images, parts of fused weights and what every head has one of are all told so.
 */
export interface Span {
  readonly parameter: string
  readonly axis: number
  /** Of the first unit; 0 where absent. */
  readonly start?: number
  /** Positions of a unit, side by side; 1 where absent. */
  readonly size?: number
  /** The first of the units that stand there, and how many do: all of them where absent. */
  readonly first?: number
  readonly count?: number
  /** How often they stand there; 1 where absent. */
  readonly repeats?: number
  /** From one of these to the next; count · size where absent. */
  readonly stride?: number
}

/** A span of a coupling: `writes` makes the units (rows and their biases), `carries` goes with them (norms over them, kernels of one channel each), `reads` takes them in (columns). */
export interface Member extends Span {
  readonly role: 'writes' | 'carries' | 'reads'
}

/** Channels that are multiplied by (new / old)^power where so many of the old units stay, so that the function does: weights of root-mean-square norms by −½. */
export interface Rescaling extends Channels {
  readonly power: number
}

/** Units that stand on several axes at once and go from all of them together. */
export interface Coupling {
  /** Such as "model.layers.0.mlp.neurons", "stream". */
  readonly name: string
  /**
   * neurons: the inner width of a feed-forward network; heads: key heads with the query heads that look at them; queries: query heads within
   * these; sizes: the channels of a head, pairs of them where they are rotated, the same of every head of a block; stream: what blocks read and add to; experts; channels of a convolution.
   */
  readonly kind: 'neurons' | 'heads' | 'queries' | 'sizes' | 'stream' | 'experts' | 'channels'
  readonly units: number
  /** What stands on its axes; of experts what the router has for each: the weights of each go by `Model.remake`. */
  readonly members: readonly Member[]
  /** Units of a group stand side by side and each group keeps as many: query heads of a key head. */
  readonly perGroup?: number
  /** The coupling whose units these groups are. */
  readonly within?: string
  /** So many units stay at least, such as the experts that a token is given; 1 where absent. */
  readonly least?: number
  /** Of experts: the bias of their router, which `switchedOff` adds; `Model.with` makes the network that has one. */
  readonly silencer?: string
  readonly rescaled?: readonly Rescaling[]
  /** Whether layer norms run over the units: their mean would count the zeros of a mask, so `switchedOff` refuses. */
  readonly centred?: boolean
  /** Whether they are what the network gives, as of an encoder without a head: its outputs then have as many numbers as units stay. */
  readonly exposed?: boolean
  /**
   * Whether only functions f with f(s · x) = s · f(x) for s > 0, such as ReLU, lie between its members: then what writes and carries may be
   * divided by a factor a unit and what reads multiplied by it.
   */
  readonly homogeneous?: boolean
}

/** A part of a network that adds to a stream and can be left out; `whole` is all that a stage adds. */
export interface Block {
  /** Such as "model.layers.0.self_attn"; of a whole stage the stage's. */
  readonly name: string
  readonly stage: string
  readonly kind: 'attention' | 'feedForward' | 'whole'
  /** What goes with it. */
  readonly parameters: readonly string[]
  /** Those whose zeros make it add nothing; absent where no zeros do, as where a norm stands behind a sum. */
  readonly silencedBy?: readonly string[]
  /** Those of its parameters that are its norms', which stay its own where it uses another block's weights; none where absent. */
  readonly norms?: readonly string[]
}

/** What stays of couplings by their names, as units in their new order; those that are not named stay whole. */
export type Selection = ReadonlyMap<string, readonly number[]>

/** Units that stand with the best first, so that any first ones of them are a good cut. */
export interface Sorted {
  /** Kinds of couplings whose units do, and what the number of those that stay is a multiple of. */
  readonly multiples: Readonly<Partial<Record<Coupling['kind'], number>>>
  /** How much each block turns its inputs: those that do it least lose most. All lose alike where absent. */
  readonly influence?: readonly number[]
}

/** What of a network goes, and what of it is used twice. */
export interface Change {
  readonly keep?: Selection
  /** Blocks by name that are left out. */
  readonly without?: ReadonlySet<string>
  /** What is known of the order of what stays; as before where absent. */
  readonly sorted?: Sorted
  /** Blocks by name that use the weights of others, with norms of their own: each with the one whose they use. */
  readonly shares?: ReadonlyMap<string, string>
}
