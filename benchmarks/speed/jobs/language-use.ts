import { createRng, loadModel } from '@tersor/core'
import { perplexity } from '@tersor/evaluation'
import { generate, picoLlama } from '@tersor/models'
import type { Run, Settings } from '../serve.js'

/** `what` is "decode", `tokens` one by one with a cache, or "perplexity" over `windows` windows of 256 predictions. */
export const prepare = async ({ what, tokens, windows, hidden, feedForward, layers, heads, vocabulary }: Settings): Promise<Run> => {
  const size = { hidden, feedForward, layers, heads, keyValueHeads: heads, vocabulary } as Record<string, number>
  const model = picoLlama({ ...size, context: 1024 })
  const rng = createRng(5)
  const ids = (count: number): number[] => Array.from({ length: count }, () => rng.integer(Number(vocabulary)))
  if (what === 'perplexity') {
    const text = Array.from({ length: Number(windows) }, () => ids(257))
    return () => perplexity(model, text)
  }
  const { weights } = await loadModel(model)
  const prompt = ids(16)
  return async () => {
    for await (const _ of generate(model, { prompt, tokens: Number(tokens), weights }));
  }
}
