import { defineValue, type Made, type OptionTable, type Rng, type ValueDefinition } from '@tersor/core'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Layout, Message } from './message.js'

/**
 * What a codec promises of what it makes of x. 'exact': C(x) = x, up to the rounding of a float format. 'unbiased': E C(x) = x.
 * 'contractive': E‖C(x) − x‖² ≤ (1 − δ)‖x‖² with δ above 0, so that what is left out gets smaller when it is sent again.
 */
export type Promised = 'exact' | 'unbiased' | 'contractive'

export interface EncodeContext {
  /** 0 for the first. */
  readonly step: number
  /** The same on all workers. */
  readonly common: Rng
  /** This worker's own. */
  readonly own: Rng
}

/** Makes a gradient small enough to be sent. */
export interface MessageCodec<P extends Promised = any> {
  readonly kind: 'codec'
  readonly promises: P
  /** 'sum': messages of float32 that may be added without being decoded; 'gather': every worker needs all messages. */
  readonly reduce: 'sum' | 'gather'
  /** The form of a message about a tensor of such a shape. */
  layout(shape: Shape): Layout
  encode(values: Float32Array, shape: Shape, context: EncodeContext): Message | Promise<Message>
  /** C(x), in the place of what stood there. */
  decode(message: Message, shape: Shape, into: Float32Array, context: EncodeContext): void
}

/** A codec that a factory made, with its name and options. */
export type Codec<P extends Promised = Promised> = MessageCodec<P> & Made

/** Declares a codec: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineCodec = <const O extends OptionTable, P extends Promised>(
  definition: Omit<ValueDefinition<O, MessageCodec<P>>, 'make'> & {
    readonly make: (options: Parameters<ValueDefinition<O, MessageCodec<P>>['make']>[0]) => Omit<MessageCodec<P>, 'kind'>
  },
) => defineValue('codec', { ...definition, make: options => ({ kind: 'codec', ...definition.make(options) }) as MessageCodec<P> })

/** Whether a value is a codec that a factory made. */
export const isCodec = (value: object): value is Codec => (value as Partial<MessageCodec>).kind === 'codec' && 'encode' in value

/** How many of the numbers of a tensor a density leaves, one at least. */
export const countOf = (shape: Shape, density: number): number => Math.max(1, Math.round(density * sizeOf(shape)))
