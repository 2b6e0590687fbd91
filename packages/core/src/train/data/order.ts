import { createRng, type Rng } from '../../run/rng.js'

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
 * Which of `count` things the rows of a step are: each once in a pass over all, every pass in an order of its own that hangs on its stream
 * of random numbers alone; a batch may end one pass and begin the next. The order of the last pass is kept.
 */
export const passesOver = (count: number, batch: number, streamOf: (pass: number) => Rng): ((step: number) => Int32Array) => {
  let last: { readonly pass: number; readonly order: Int32Array } | undefined
  const orderOf = (pass: number): Int32Array => {
    if (last?.pass !== pass) {
      const stream = streamOf(pass)
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

/** The same by a seed. */
export const passes = (count: number, batch: number, seed: number): ((step: number) => Int32Array) => {
  const rng = createRng(seed).fork('order')
  return passesOver(count, batch, pass => rng.fork(`${pass}`))
}
