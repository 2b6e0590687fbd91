import { CompressionError } from '@tersor/tensor'
import { createRng } from '../../run/rng.js'

/** A shuffle of 0 … count − 1: Fisher and Yates. */
export const shuffled = (count: number, integer: (below: number) => number): Int32Array => {
  const order = Int32Array.from({ length: count }, (_, i) => i)
  for (let last = count - 1; last > 0; last--) {
    const other = integer(last + 1)
    ;[order[last], order[other]] = [order[other], order[last]]
  }
  return order
}

/**
 * Which of `count` things the rows of a step are: each once in a pass over all, every pass in an order of its own that hangs on the seed alone;
 * a batch may end one pass and begin the next. The order of the last pass is kept.
 */
export const passes = (count: number, batch: number, seed: number): ((step: number) => Int32Array) => {
  const rng = createRng(seed).fork('order')
  let last: { readonly pass: number; readonly order: Int32Array } | undefined
  const orderOf = (pass: number): Int32Array => {
    if (last?.pass !== pass) {
      const stream = rng.fork(`${pass}`)
      last = { pass, order: shuffled(count, below => stream.integer(below)) }
    }
    return last.order
  }
  return step =>
    Int32Array.from({ length: batch }, (_, row) => {
      const at = step * batch + row
      return orderOf(Math.floor(at / count))[at % count]
    })
}

/** Throws BAD_OPTION for anything but an integer from 1 on. */
export const checkPositive = (where: string, option: string, value: number): void => {
  if (Number.isInteger(value) && value > 0) return
  throw new CompressionError('BAD_OPTION', `${where} got ${option} = ${value}.`, 'Pass a positive integer.')
}
