export interface Speed {
  readonly tokens: number
  /** From the start to the first token: loading the weights and reading the prompt. */
  readonly secondsToFirst: number
  /** Of the tokens after the first. */
  readonly tokensPerSecond: number
}

/** Drains a stream of tokens, such as `generate` of @tersor/models gives, and times it; the clock counts milliseconds. */
export const tokensPerSecond = async (stream: AsyncIterable<unknown>, clock: () => number = () => performance.now()): Promise<Speed> => {
  const start = clock()
  let first = start
  let tokens = 0
  for await (const _ of stream) if (tokens++ === 0) first = clock()
  const seconds = (clock() - first) / 1000
  return { tokens, secondsToFirst: (first - start) / 1000, tokensPerSecond: tokens > 1 ? (tokens - 1) / seconds : 0 }
}
