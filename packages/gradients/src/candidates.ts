import type { ExchangedGradient, ExchangeState, ExchangeStep } from '@tersor/core'
import type { Shape } from '@tersor/tensor'
import type { EncodeContext } from './define-codec.js'

/** What one candidate makes of a gradient: ‖C(x) − x‖², and the bytes of its message. */
export interface Measured {
  readonly error: number
  readonly size: number
}

/** What layers choose from; the first is the uniform one. A layer's choice is `state.choice`. */
export interface Candidates {
  /** Whether a tensor is one of the layers. */
  takes(shape: Shape): boolean
  init(shape: Shape, name: string): ExchangeState
  /** ‖C(x) − x‖² and the bytes, candidate by candidate. */
  measure(gradient: ExchangedGradient, context: EncodeContext): Promise<readonly Measured[]>
  /** Behind another choice. */
  changed(gradient: ExchangedGradient, before: number): void
  exchange(layers: readonly ExchangedGradient[], step: ExchangeStep): Promise<void>
}
