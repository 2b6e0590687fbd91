import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../../run/rng.js'
import type { MaskedTokens } from './masked-tokens.js'
import { checkPositive } from '../check-positive.js'
import { passes } from './order.js'

export interface WindowBatchesOptions {
  /** One long text: windows begin anywhere in it. */
  readonly ids?: ArrayLike<number>
  /** Texts cut already, of at least `length` tokens (and the one that follows, unless tokens are masked): each is seen once in a pass, from its first token on. */
  readonly windows?: readonly ArrayLike<number>[]
  /** Windows a step. */
  readonly batch: number
  /** Tokens a window. */
  readonly length: number
  /** Hides tokens of the input and makes them the target, as `maskedTokens` does; the next tokens are the target where absent. */
  readonly masked?: (ids: Int32Array, rng: Rng) => MaskedTokens
  /** Of the order of `windows`. */
  readonly seed?: number
}

/** Tokens, what is to be told of them, both int32 (batch, length), and where each row comes from, int32 (batch): its first token or its window. */
export interface TokenBatch {
  readonly input: tf.Tensor
  readonly target: tf.Tensor
  readonly sample: tf.Tensor
}

const checkOptions = ({ ids, windows, batch, length }: WindowBatchesOptions, needed: number): void => {
  checkPositive('windowBatches', 'batch', batch)
  checkPositive('windowBatches', 'length', length)
  if ((ids === undefined) === (windows === undefined))
    throw new CompressionError(
      'BAD_OPTION',
      `windowBatches got ${ids ? 'both ids and windows' : 'no tokens'}.`,
      'Pass either ids or windows.',
    )
  const short = [ids ?? [], ...(windows ?? [])].find((each, i) => (i > 0 || ids !== undefined) && each.length < needed)
  if (short || windows?.length === 0)
    throw new CompressionError(
      'BAD_DATA',
      `windowBatches got ${short ? `a text of ${short.length} tokens` : 'no windows'} where ${needed} are needed.`,
      'Pass longer texts, or a smaller length: next tokens take one more than it.',
    )
}

/**
 * Batches of text for `train`: a function of step and random numbers alone, so that a run that goes on sees what it would have seen.
 * Throws BAD_OPTION, and BAD_DATA for texts that are too short.
 */
export const windowBatches = (options: WindowBatchesOptions): ((step: number, rng: Rng) => TokenBatch) => {
  const { ids, windows, batch, length, masked, seed = 0 } = options
  const needed = length + (masked ? 0 : 1)
  checkOptions(options, needed)
  const ofWindows = windows && passes(windows.length, batch, seed)
  return (step, rng) => {
    const samples = ofWindows?.(step) ?? Int32Array.from({ length: batch }, () => rng.integer(ids!.length - needed + 1))
    const [input, target] = [new Int32Array(batch * length), new Int32Array(batch * length)]
    samples.forEach((sample, row) => {
      const [text, from] = windows ? [windows[sample], 0] : [ids!, sample]
      const read = (shift: number): Int32Array => Int32Array.from({ length }, (_, i) => text[from + shift + i])
      const made = masked ? masked(read(0), rng) : { input: read(0), target: read(1) }
      input.set(made.input, row * length)
      target.set(made.target, row * length)
    })
    const tensor = (values: Int32Array) => tf.tensor2d(values, [batch, length], 'int32')
    return { input: tensor(input), target: tensor(target), sample: tf.tensor1d(samples, 'int32') }
  }
}
